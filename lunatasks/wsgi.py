"""The WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunatasks.settings")
os.environ.setdefault("LUNATASKS_ROLE", "web")
application = get_wsgi_application()

if os.environ.get("LUNATASKS_SUPERVISED"):
    # granian's own worker process would outlive a granian that is killed
    from workers.processes import die_with

    die_with(os.getppid())

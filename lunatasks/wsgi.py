"""The WSGI application."""

import os

if os.environ.get("LUNATASKS_SUPERVISED"):
    # First of all: granian's own worker process would outlive a granian that is killed, be it while this module loads.
    # The supervisor starts granian in a session of its own, so that it leads the group of its workers.
    from workers.parents import die_with

    die_with(os.getpgrp())

import django

from lunatasks.api.handler import Handler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunatasks.settings")
os.environ.setdefault("LUNATASKS_ROLE", "web")
django.setup(set_prefix=False)
application = Handler()

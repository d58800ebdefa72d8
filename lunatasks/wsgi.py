"""The WSGI application."""

import os

if os.environ.get("LUNATASKS_SUPERVISED"):
    # First of all: granian's own worker process would outlive a granian that is killed, be it while this module loads.
    # The supervisor starts granian in a session of its own, so that it leads the group of its workers.
    from workers.parents import die_with

    die_with(os.getpgrp())

from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunatasks.settings")
os.environ.setdefault("LUNATASKS_ROLE", "web")


class Request(WSGIRequest):
    """A request whose Content-Type may be any nonsense, and whose text is UTF-8 whatever the type says.

    Django reads the type before anybody answers errors: what it cannot decode would be an answer without a body.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:
            self.content_type, self.content_params = "", {}


class Handler(WSGIHandler):
    """Django's, with our request."""

    request_class = Request


django.setup(set_prefix=False)
application = Handler()

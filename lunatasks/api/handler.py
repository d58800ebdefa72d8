"""Django's WSGI handler, for requests of any kind."""

from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters


class Request(WSGIRequest):
    """A request whose Content-Type may be any nonsense, and whose text is UTF-8 whatever the type says.

    Django reads the type before anybody answers errors: what it cannot decode would be an answer without a body.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except (ValueError, TypeError):
            self.content_type, self.content_params = "", {}


class Handler(WSGIHandler):
    """Django's, with our request."""

    request_class = Request

"""The request id on every answer, the count of answers, and what only pages for people need.

Sessions and all that stands on them are for the admin: the API has no cookies, and pays nothing for them.
"""

import time
from collections.abc import Callable

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.deprecation import MiddlewareMixin

from lunatasks.api import connections, request_id, traffic

PAGES = "/admin/"


class RequestIdMiddleware:
    """Echoes the request id; `request_id.start_request` has set it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        response.headers[request_id.HEADER] = request_id.current()
        traffic.count(request.method, response.status_code, time.perf_counter() - started)
        return response


class PagesOnly(MiddlewareMixin):
    """Mixed into a middleware that other paths pass by."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(PAGES):
            connections.require_usable()
            return super().__call__(request)  # type: ignore[return-value]
        return self.get_response(request)  # type: ignore[return-value]


class PageSessions(PagesOnly, SessionMiddleware):
    """Sessions of pages."""


class PageCsrf(PagesOnly, CsrfViewMiddleware):
    """Forms of pages are protected; the API takes no cookies that a foreign page could use."""


class PageAuthentication(PagesOnly, AuthenticationMiddleware):
    """The user of pages."""


class PageMessages(PagesOnly, MessageMiddleware):
    """Messages of pages."""

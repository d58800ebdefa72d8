"""The request id on every answer, and the count of answers."""

import time
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from lunatasks.api import request_id, traffic


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

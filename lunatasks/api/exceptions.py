"""Every answer >= 400 of the service, from the unknown path to the unexpected exception, is made here."""

import logging
from typing import Any

import orjson
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.views import set_rollback

from lunatasks import errors
from lunatasks.api import request_id

logger = logging.getLogger(__name__)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """What an API view raised, as the contract's error body."""
    request = context["request"]
    known = as_luna_error(error, request)
    if known is None:
        logger.error("unexpected error at %r %r", request.method, request.path, exc_info=error)
        known = errors.InternalError()
    set_rollback()
    return Response(known.as_body(), status=known.status, headers=dict(known.headers))


def as_luna_error(error: Exception, request: HttpRequest) -> errors.LunaError | None:
    """The error of the catalogue that says the same; None for what nobody expected."""
    if isinstance(error, errors.LunaError):
        return error
    if isinstance(error, drf.MethodNotAllowed):
        return errors.MethodNotAllowed(request.method)
    if isinstance(error, Http404 | drf.NotFound):
        return errors.PageNotFound(request.path)
    if isinstance(error, SuspiciousOperation | BadRequest):
        return errors.BadQuery(type(error).__name__)
    return None


def error_response(error: errors.LunaError) -> HttpResponse:
    """The error body outside of an API view."""
    response = HttpResponse(orjson.dumps(error.as_body()), status=error.status, content_type="application/json")
    for name, value in error.headers.items():
        response.headers[name] = value
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: among others a host name that is not allowed, refused before the middleware that echoes the id."""
    response = error_response(errors.BadQuery(type(exception).__name__))
    response.headers[request_id.HEADER] = request_id.current()
    return response


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403: reached by pages for people only."""
    return render(
        request, "403.html", {"reason": str(exception) if isinstance(exception, PermissionDenied) else ""}, status=403
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404."""
    if request.path.startswith("/admin/"):
        return render(request, "404.html", status=404)
    return error_response(errors.PageNotFound(request.path))


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500; Django has logged the exception."""
    if request.path.startswith("/admin/"):
        return render(request, "500.html", {"request_id": request_id.current()}, status=500)
    return error_response(errors.InternalError())

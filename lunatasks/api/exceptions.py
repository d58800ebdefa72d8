"""Every answer >= 400 of the service, from the unknown path to the unexpected exception, is made here."""

import logging

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from lunatasks import errors
from lunatasks.api import request_id
from lunatasks.api.answers import Response

logger = logging.getLogger(__name__)


def as_luna_error(error: Exception, request: HttpRequest) -> errors.LunaError:
    """The error of the catalogue that says the same; what nobody expected is logged."""
    if isinstance(error, errors.LunaError):
        return error
    if isinstance(error, Http404):
        return errors.PageNotFound(request.path)
    if isinstance(error, SuspiciousOperation | BadRequest):
        return errors.BadQuery(type(error).__name__)
    logger.error("unexpected error at %r %r", request.method, request.path, exc_info=error)
    return errors.InternalError()


def error_answer(error: errors.LunaError, **headers: str) -> Response:
    """The contract's error body."""
    return Response(error.as_body(), status=error.status, headers={**error.headers, **headers})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: among others a host name that is not allowed, refused before the middleware that echoes the id."""
    response = error_answer(errors.BadQuery(type(exception).__name__))
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
    return error_answer(errors.PageNotFound(request.path))


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500; Django has logged the exception."""
    if request.path.startswith("/admin/"):
        return render(request, "500.html", {"request_id": request_id.current()}, status=500)
    return error_answer(errors.InternalError())

"""The base of API views, and the resources that belong to no application."""

import time
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from lunatasks.api import accounts, health
from lunatasks.api.query import Query
from lunatasks.api.version import API_VERSION, VERSION
from lunatasks.errors import CATALOGUE, LunaError, Unhealthy


class OnlyJson(BaseContentNegotiation):
    """JSON whatever the client accepts; neither `Accept` nor `?format=` may turn an answer into an error."""

    def select_parser(self, request: Any, parsers: Any) -> None:
        return None

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """A view that answers plain dicts. `gateway`: mounted under a prefix that works as the platform's gateway."""

    content_negotiation_class = OnlyJson
    gateway = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.query = Query(request)
        self.gateway = bool(kwargs.get("gateway"))

    def reader(self) -> UUID | None:
        """The account that this request may see, None for all."""
        return accounts.reader(self.request, self.query, gateway=self.gateway)

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """The methods in `Allow`; no body."""
        return Response(status=204, headers={"Allow": ", ".join(self.allowed_methods)})


class StartView(ApiView):
    """GET /: people look for the administration there."""

    def get(self, request: Request) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:index"))


class VersionView(ApiView):
    """GET /version."""

    def get(self, request: Request) -> Response:
        major, minor, patch = VERSION
        return Response({"Version": {"api": API_VERSION, "major": major, "minor": minor, "patch": patch}})


class HealthView(ApiView):
    """GET /healthcheck."""

    def get(self, request: Request) -> Response:
        started = time.perf_counter()
        with_services = self.query.integer("include_luna_services", 0, 1)
        down = health.parts_down(include_luna_services=bool(with_services))
        if down:
            raise Unhealthy(", ".join(down))
        return Response({"execution_time": time.perf_counter() - started})


class ErrorPage(ApiView):
    """GET /docs/dev/errors/<code>.html: where the link of an error leads."""

    def get(self, request: Request, code: str) -> HttpResponse:
        error = CATALOGUE.get(int(code[:9]))
        if error is None:
            raise Http404
        return render(request, "api/error_code.html", {"error": _catalogue_entry(error)})


class ErrorIndex(ApiView):
    """GET /docs/dev/errors/index.html: all codes, with links to their pages."""

    def get(self, request: Request) -> HttpResponse:
        entries = [_catalogue_entry(CATALOGUE[code]) for code in sorted(CATALOGUE)]
        return render(request, "api/error_codes.html", {"errors": entries})


def _catalogue_entry(error: type[LunaError]) -> dict[str, object]:
    return {
        "code": error.code,
        "status": error.status,
        "desc": error.desc,
        "template": error.template,
        "explanation": error.__doc__,
    }

"""The base of API views, and the resources that belong to no application."""

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from rest_framework.views import APIView

from lunatasks import errors
from lunatasks.api import accounts, connections, documents, effective, health, tokens
from lunatasks.api.answers import Response
from lunatasks.api.exceptions import as_luna_error, error_answer
from lunatasks.api.negotiation import preferred
from lunatasks.api.openapi import Operation, header, query, record
from lunatasks.api.query import Query
from lunatasks.api.version import API_VERSION, VERSION
from lunatasks.errors import CATALOGUE, LunaError, PageNotFound, Unhealthy

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class ApiView(APIView):
    """A view that answers plain dicts. `gateway`: mounted under a prefix that works as the platform's gateway.

    The framework's own dispatch would wrap the request, negotiate and render, none of which is wanted here.
    Where access tokens are on, every view asks for one, unless it is `open_to_all`; one that shows what belongs
    to no account `needs_all_accounts`.
    """

    gateway = False
    open_to_all = False
    needs_all_accounts = False
    methods = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"})
    operations: ClassVar[Mapping[str, Operation]] = {}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer the request; whatever is raised becomes the error body."""
        try:
            self.initial(request, *args, **kwargs)
            handler = getattr(self, str(request.method).lower(), None) if request.method in self.methods else None
            if handler is None:
                return error_answer(errors.MethodNotAllowed(request.method), Allow=", ".join(self.allowed_methods))
            answer = self._answer(lambda: handler(request, *args, **kwargs))
        except Exception as error:  # noqa: BLE001  the one place where a view's errors become answers
            return error_answer(as_luna_error(error, request))
        return answer

    def _answer(self, handle: Callable[[], HttpResponseBase]) -> HttpResponseBase:
        if self.request.method in SAFE:
            return connections.reading(handle)
        connections.require_usable()
        return handle()

    def initial(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """What every method asks first. Raises BadQuery, Unauthenticated, OutOfScope."""
        self.query = Query(request)
        self.gateway = bool(kwargs.get("gateway"))
        self.grant = tokens.UNLIMITED if self.open_to_all else tokens.grant_of(request)
        if self.needs_all_accounts:
            self.grant.require_all()
        if request.method not in SAFE:
            self.grant.require_write()

    def reader(self) -> UUID | None:
        """The account that this request may see, None for all. Raises BadQuery, OutOfScope."""
        return accounts.reader(self.request, self.query, self.grant, gateway=self.gateway)

    def operation(self, method: str) -> Operation:
        """What the OpenAPI document says of a method."""
        return self.operations[method]

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """The methods in `Allow`; no body."""
        return Response(status=204, headers={"Allow": ", ".join(self.allowed_methods)})


class StartView(ApiView):
    """GET /: people look for the administration there."""

    open_to_all = True
    schema = None

    def get(self, request: HttpRequest) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:index"))


class UnknownPath(ApiView):
    """Any path that is none: with the error body in debug mode too."""

    open_to_all = True
    schema = None

    def initial(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        raise PageNotFound(request.path)


class VersionView(ApiView):
    """GET /version."""

    open_to_all = True
    operations: ClassVar = {
        "GET": Operation(
            name="getVersion",
            summary="Get the version of the service",
            tag="service",
            answer=record(
                {"Version": record({name: {"type": "integer"} for name in ("api", "major", "minor", "patch")})}
            ),
            example={"Version": {"api": 1, "major": 1, "minor": 0, "patch": 0}},
        )
    }

    def get(self, request: HttpRequest) -> Response:
        major, minor, patch = VERSION
        return Response({"Version": {"api": API_VERSION, "major": major, "minor": minor, "patch": patch}})


class HealthView(ApiView):
    """GET /healthcheck."""

    open_to_all = True
    operations: ClassVar = {
        "GET": Operation(
            name="getHealth",
            summary="Ask whether the parts of the service work",
            description="Database, queue and storage are really used; 1 asks each LUNA service too.",
            tag="service",
            parameters=[
                query(
                    "include_luna_services",
                    {"type": "integer", "enum": [0, 1], "default": 0},
                    "Whether the LUNA services are asked too.",
                )
            ],
            answer=record({"execution_time": {"type": "number", "minimum": 0}}),
            example={"execution_time": 0.123},
            errors=[errors.Unhealthy],
        )
    }

    def get(self, request: HttpRequest) -> Response:
        started = time.perf_counter()
        with_services = self.query.integer("include_luna_services", 0, 1)
        down = health.parts_down(include_luna_services=bool(with_services))
        if down:
            raise Unhealthy(", ".join(down))
        return Response({"execution_time": time.perf_counter() - started})


class ConfigView(ApiView):
    """GET /config."""

    needs_all_accounts = True
    operations: ClassVar = {
        "GET": Operation(
            name="getConfig",
            summary="Get the effective settings",
            description="Passwords, tokens, keys and credentials are masked.",
            tag="service",
            parameters=[
                header(
                    "Accept",
                    {"type": "string", "enum": ["application/json", "text/plain"]},
                    "Acceptable type of the answer.",
                )
            ],
            answers={
                "application/json": {"schema": {"type": "object", "required": ["INFLUX_MONITORING"]}},
                "text/plain": {"schema": {"type": "string"}},
            },
            example={"INFLUX_MONITORING": effective.masked(effective.INFLUX_MONITORING)},
            errors=[errors.UnsupportedMediaType, errors.OutOfScope],
        )
    }

    def get(self, request: HttpRequest) -> HttpResponse:
        media_type = preferred(request, ["application/json", "text/plain"])
        groups = effective.effective_settings()
        if media_type == "text/plain":
            return _document(effective.as_text(groups).encode(), "text/plain; charset=utf-8")
        return _document(orjson.dumps(groups), media_type)


class SpecView(ApiView):
    """GET /docs/spec: the OpenAPI document, or a page of it."""

    open_to_all = True
    operations: ClassVar = {
        "GET": Operation(
            name="getSpecification",
            summary="Get this document",
            description="As YAML, or as a page for people.",
            tag="service",
            parameters=[
                header(
                    "Accept",
                    {"type": "string", "enum": ["application/x-yaml", "text/html"]},
                    "Acceptable type of the answer.",
                )
            ],
            answers={
                "application/x-yaml": {"schema": {"type": "object"}},
                "text/html": {"schema": {"type": "string"}},
            },
            errors=[errors.UnsupportedMediaType],
        )
    }

    def get(self, request: HttpRequest) -> HttpResponse:
        if preferred(request, ["application/x-yaml", "text/html"]) == "text/html":
            return _page(render(request, "api/spec.html", {"spec": documents.readable()}))
        return _document(documents.openapi_yaml(), "application/x-yaml")


class ManualRedirect(ApiView):
    """GET /docs/dev."""

    open_to_all = True
    operations: ClassVar = {
        "GET": Operation(
            name="getManual",
            summary="Go to the development manual",
            tag="service",
            status=302,
            headers={"Location": {"description": "/docs/dev/index.html", "schema": {"type": "string"}}},
        )
    }

    def get(self, request: HttpRequest) -> HttpResponseRedirect:
        return HttpResponseRedirect("/docs/dev/index.html")


class ManualFile(ApiView):
    """GET /docs/dev/...: the manual that Sphinx built; pages of codes are there without it too."""

    open_to_all = True
    schema = None

    def get(self, request: HttpRequest, path: str) -> HttpResponse:
        found = documents.manual_file(path)
        if found is not None:
            return _page(HttpResponse(found.read_bytes(), content_type=documents.content_type_of(found)))
        if path == "index.html":
            return _page(render(request, "api/no_manual.html"))
        raise Http404


class ErrorPage(ManualFile):
    """GET /docs/dev/errors/<code>.html: where the link of an error leads."""

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        error = CATALOGUE.get(int(code))
        if error is None:
            raise Http404
        if documents.manual_file(f"errors/{code}.html"):
            return super().get(request, f"errors/{code}.html")
        return _page(render(request, "api/error_code.html", {"error": _catalogue_entry(error)}))


class ErrorIndex(ManualFile):
    """GET /docs/dev/errors/index.html: all codes, with links to their pages."""

    def get(self, request: HttpRequest) -> HttpResponse:  # type: ignore[override]
        if documents.manual_file("errors/index.html"):
            return super().get(request, "errors/index.html")
        entries = [_catalogue_entry(CATALOGUE[code]) for code in sorted(CATALOGUE)]
        return _page(render(request, "api/error_codes.html", {"errors": entries}))


def _catalogue_entry(error: type[LunaError]) -> dict[str, object]:
    return {
        "code": error.code,
        "status": error.status,
        "desc": error.desc,
        "template": error.template,
        "explanation": error.__doc__,
    }


def _document(content: bytes, content_type: str) -> HttpResponse:
    headers = {"Vary": "Accept", "Cache-Control": "no-store"}
    return HttpResponse(content, content_type=content_type, headers=headers)


def _page(response: HttpResponse) -> HttpResponse:
    response.headers["Content-Security-Policy"] = documents.PAGE_POLICY
    response.headers["Vary"] = "Accept"
    return response

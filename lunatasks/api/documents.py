"""The OpenAPI document and the built manual, as they are served."""

import mimetypes
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer

PAGE_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Pages of the manual load nothing from elsewhere."""


@cache
def openapi_document() -> dict[str, Any]:
    """The document as plain values; made once per process."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


@cache
def openapi_yaml() -> bytes:
    """The document as YAML."""
    text: bytes = OpenApiYamlRenderer().render(openapi_document(), renderer_context={})
    return text


def manual_file(path: str) -> Path | None:
    """A file of the built manual; None when there is none at that path."""
    root = Path(settings.LUNATASKS_MANUAL_DIR).resolve()
    try:
        found = (root / path).resolve()
        return found if found.is_relative_to(root) and found.is_file() else None
    except (OSError, ValueError):  # no file can have such a name: too long, or with a NUL in it
        return None


def content_type_of(path: Path) -> str:
    """Media type by the file's name."""
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


def readable() -> dict[str, Any]:
    """The document as its page shows it: operations by tag, schemas by name."""
    document = openapi_document()
    tags = {tag["name"]: {**tag, "operations": []} for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tags[operation["tags"][0]]["operations"].append(_readable_operation(path, method, operation))
    schemas = [{"name": name, "text": _pretty(schema)} for name, schema in document["components"]["schemas"].items()]
    return {"info": document["info"], "tags": list(tags.values()), "schemas": schemas}


def _readable_operation(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return {
        "id": operation["operationId"],
        "path": path,
        "method": method.upper(),
        "summary": operation["summary"],
        "description": operation["description"],
        "parameters": [_readable_parameter(parameter) for parameter in operation["parameters"]],
        "content": _content_names(body) if body else [],
        "bodies": [
            {"name": name, "text": _pretty(example["value"])}
            for name, example in (body or {}).get("examples", {}).items()
        ],
        "answers": [_readable_answer(status, answer) for status, answer in operation["responses"].items()],
    }


def _content_names(body: dict[str, Any]) -> list[str]:
    return [body["schema"]["properties"]["content"]["$ref"].rpartition("/")[2]]


def _readable_parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    schema = parameter["schema"]
    words = [schema["type"]]
    words += [f"{word} {schema[name]}" for name, word in (("minimum", ">="), ("maximum", "<=")) if name in schema]
    if "enum" in schema:
        words.append("one of " + ", ".join(str(value) for value in schema["enum"]))
    if "default" in schema:
        words.append(f"default {schema['default']}")
    return {
        "name": parameter["name"],
        "place": parameter["in"],
        "required": parameter.get("required", False),
        "form": schema.get("format", ""),
        "values": "; ".join(words),
        "meaning": schema.get("description", ""),
        "description": parameter["description"],
        "example": parameter.get("example"),
    }


def _readable_answer(status: str, answer: dict[str, Any]) -> dict[str, Any]:
    contents = answer.get("content", {})
    examples = [_pretty(content["example"]) for content in contents.values() if "example" in content]
    codes = contents.get("application/json", {}).get("examples", {})
    return {
        "status": status,
        "description": answer["description"],
        "types": ", ".join(contents),
        "examples": examples,
        "codes": [{"code": code, **example["value"]} for code, example in codes.items()],
    }


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()

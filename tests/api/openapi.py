"""The OpenAPI document as tests generate requests from it."""

import copy
from typing import Any

LENIENT = {"Luna-Request-Id", "Accept"}
"""Headers whose wrong values are replaced or negotiated, never refused as wrong."""


def generating(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what is told to people only."""
    changed = copy.deepcopy(document)
    for methods in changed["paths"].values():
        for operation in methods.values():
            operation["parameters"] = [
                parameter for parameter in operation["parameters"] if parameter["name"] not in LENIENT
            ]
    return changed

"""Uuids as arrays of bytes."""

from collections.abc import Iterator
from uuid import UUID

import numpy as np
from numpy.typing import NDArray


def to_array(ids: list[UUID]) -> NDArray[np.uint8]:
    """(n, 16) uint8 of n uuids."""
    return np.frombuffer(b"".join(value.bytes for value in ids), dtype=np.uint8).reshape(len(ids), 16)


def to_strings(ids: NDArray[np.uint8], *, chunk: int = 10_000) -> Iterator[str]:
    """The 8-4-4-4-12 forms of (n, 16) uint8, in order."""
    for start in range(0, len(ids), chunk):
        digits = np.ascontiguousarray(ids[start : start + chunk]).tobytes().hex()
        for at in range(0, len(digits), 32):
            value = digits[at : at + 32]
            yield f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"

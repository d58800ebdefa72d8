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


def positions(ids: NDArray[np.uint8], among: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(m,) where each of the (m, 16) ids stands among (n, 16) ascending ones, -1 where it does not; O(m log n)."""
    # all are 16 bytes long: that numpy ignores trailing zero bytes makes no two of them equal
    wanted, known = _as_bytes(ids), _as_bytes(among)
    if not len(known):
        return np.full(len(wanted), -1, np.int64)
    found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[found] == wanted, found, -1)


def _as_bytes(ids: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(ids).view("S16").reshape(len(ids))

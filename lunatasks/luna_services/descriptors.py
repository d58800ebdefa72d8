"""Descriptors as bytes and rows, the score of two descriptors and its similarity.

A stored descriptor is float32, L2-normalised and rounded to multiples of 2^-26. Products of two such
numbers are multiples of 2^-52 and their sums stay below 2, so a float64 dot product is exact: the same in
any order, tile, thread count, BLAS library or processor.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

GRID = 2.0**26


@dataclass(frozen=True, slots=True)
class DescriptorVersion:
    """A face model as the platform names it: a number, the length of its rows, its similarity curve.

    similarity(score) = 1 / (1 + exp(-slope * (score - middle))); `middle` is the cosine at FMR 1e-3.
    """

    number: int
    name: str
    dimension: int
    middle: float
    slope: float
    cluster_score: float
    match_score: float
    kind: Literal["face", "body"] = "face"


SFACE = DescriptorVersion(
    number=1001,
    name="SFace 2021dec int8bq",
    dimension=128,
    middle=0.383,
    slope=20.0,
    cluster_score=0.50,
    match_score=0.434,
)

SFACE_MIRRORED = DescriptorVersion(
    number=1002,
    name="SFace 2021dec int8bq, mean of the face and its mirror image",
    dimension=128,
    # measured on the 188 795 pairs of strangers among 615 sample photos (the plain net there: 0.397 and 0.453)
    middle=0.401,
    slope=20.0,
    cluster_score=0.50,
    match_score=0.451,
)

BODY = DescriptorVersion(
    number=2001,
    name="body, imported",
    dimension=512,
    # no model of bodies comes with the service: cosines of a usual re-identification net
    middle=0.60,
    slope=20.0,
    cluster_score=0.70,
    match_score=0.65,
    kind="body",
)

VERSIONS = {version.number: version for version in (SFACE, SFACE_MIRRORED, BODY)}

EXTRACTABLE = frozenset({SFACE.number, SFACE_MIRRORED.number})
"""Versions that the face models of this service make."""


def normalise(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """(n, d) rows of any length to float32 rows of unit length on the 2^-26 grid.

    Raises ValueError for a row that is not finite or of length zero.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths < 1e-12).any():
        raise ValueError("a descriptor is not finite or has length zero")
    return (np.rint(rows / lengths * GRID) / GRID).astype(np.float32)


def to_bytes(vector: NDArray[np.float32]) -> bytes:
    """Little-endian float32 bytes of one row."""
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def from_bytes(blobs: list[bytes], dimension: int) -> NDArray[np.float32]:
    """(n, dimension) float32 rows of n stored blobs. Raises ValueError when a blob has another length."""
    return np.frombuffer(b"".join(blobs), dtype="<f4").reshape(len(blobs), dimension).astype(np.float32, copy=False)


def similarity(score: float, version: DescriptorVersion) -> float:
    """Similarity 0..1 of a score (cosine -1..1): logistic, 0.5 at the cosine of FMR 1e-3."""
    return 1.0 / (1.0 + math.exp(-version.slope * (score - version.middle)))


@cache
def score_above(threshold: float, version: DescriptorVersion) -> float:
    """The smallest score on the grid of exact scores (multiples of 2^-52) with similarity > threshold.

    Above 1 when no score passes. Found by bisection over the very function that reports similarities, so that
    the comparison of scores and the comparison of similarities never disagree.
    """
    low, high = -(2**52) - 1, 2**52 + 1
    while high - low > 1:
        middle = (low + high) // 2
        if similarity(middle * 2.0**-52, version) > threshold:
            high = middle
        else:
            low = middle
    return high * 2.0**-52

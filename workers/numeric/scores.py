"""Scores of pairs of vectors: exact ones, and screening in single precision with a proved bound.

Vectors are float32 on the grid of `lunatasks.luna_services.descriptors`, so that a float64 dot product is exact in
any order. A float32 one costs half as much, but is only near: it decides pairs outside its bound, and the few
pairs inside are computed again. What comes out is the same, bit for bit, as if all pairs had been exact.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""(n, d) float32: n vectors."""

Check = Callable[[], None]
Indices = NDArray[np.int64]

BLOCK_PAIRS = 2**20
"""Pairs of a block: what is done to its scores finds them in the cache."""
BLOCK_COLUMNS = 8192
BYTES_PER_PAIR = 64
"""What a pair of a block may take when it passes every screen: score, mask, position, row, column, exact score."""
DENSE = 64
"""With more than one pair of so many to compute again, the whole block costs less than its pairs one by one."""


def blocks(row_count: int, column_count: int, *, memory: int) -> Iterator[tuple[slice, slice]]:
    """Slices of rows and columns that cover a matrix, row block after row block, columns ascending in each.

    Work of BYTES_PER_PAIR on a block stays within `memory` bytes, down to a single pair.
    """
    pairs = max(1, min(BLOCK_PAIRS, memory // BYTES_PER_PAIR))
    columns = max(1, min(BLOCK_COLUMNS, column_count, pairs))
    rows = max(1, pairs // columns)
    for row in range(0, row_count, rows):
        for column in range(0, column_count, columns):
            yield slice(row, min(row + rows, row_count)), slice(column, min(column + columns, column_count))


def longest(vectors: Vectors) -> float:
    """The largest Euclidean length of the rows, in float64; 0 of none."""
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return float(np.sqrt(squares.max(initial=0.0)))


def error_bound(dimension: int, length: float, other: float) -> float:
    """How far a float32 dot product may lie from the exact one, for vectors no longer than `length` and `other`.

    |fl(a.b) - a.b| <= g |a|.|b| <= g ||a|| ||b|| with g = d u / (1 - d u), u = 2^-24, whatever the order of the sum
    and with or without fused multiply-add (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 3.1).
    Products of grid values are at least 2^-52, so nothing underflows. One per cent more covers the rounding of the
    lengths and of this formula.
    """
    unit = dimension * 2.0**-24
    return 1.01 * unit / (1 - unit) * length * other


def below(value: float) -> np.float32:
    """A float32 that is surely less than the value."""
    return np.nextafter(np.float32(value), np.float32(-np.inf))


def above(value: float) -> np.float32:
    """A float32 that is surely greater than the value."""
    return np.nextafter(np.float32(value), np.float32(np.inf))


def exact_scores(rows: Vectors, columns: Vectors, left: Indices, right: Indices) -> NDArray[np.float64]:
    """(k,) exact scores of the pairs (rows[left[i]], columns[right[i]]); O(k d), or O(m n d) when there are many."""
    if len(left) * DENSE > len(rows) * len(columns):
        wide: NDArray[np.float64] = rows.astype(np.float64) @ columns.astype(np.float64).T
        return wide[left, right]
    found: NDArray[np.float64] = np.einsum("ij,ij->i", rows[left], columns[right], dtype=np.float64)
    return found

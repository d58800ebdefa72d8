"""Exact clustering by a similarity graph, block by block.

Objects are vertices, pairs whose score is at least a limit are edges, clusters are connected components. A tile is
a block of rows against a block of columns of the (symmetric) score matrix. Vectors must be float32 on the grid of
`lunatasks.luna_services.descriptors`: then every score is exact, and no result depends on how the matrix is cut.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Vectors = NDArray[np.float32]
Pairs = NDArray[np.int64]
"""(k, 2) int64: k pairs of objects, by their index."""

Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Best:
    """The best neighbours of some objects: object, neighbour (int64) and score (float64), each of length k."""

    objects: NDArray[np.int64]
    neighbours: NDArray[np.int64]
    scores: NDArray[np.float64]


def tiles(count: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    """Tiles (row start, row stop, column start, column stop) of the upper triangle of a count x count matrix."""
    starts = range(0, count, side)
    for row in starts:
        for column in range(row, count, side):
            yield row, min(row + side, count), column, min(column + side, count)


BYTES_PER_PAIR = 64
"""What a pair of a block may take when every pair is an edge: score, mask, indices, edges and their sort."""


def score_blocks(
    rows: Vectors, columns: Vectors, *, memory: int, check: Check
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """(first row, block of scores) over blocks of rows, sized so that work on a block stays within `memory` bytes.

    rows (m, d), columns (n, d) float32; blocks (b, n) float64, exact. Time O(m n d).
    """
    per_row = columns.shape[0] * BYTES_PER_PAIR + columns.shape[1] * 8
    size = max(1, (memory - columns.size * 8) // max(per_row, 1))
    wide = columns.T.astype(np.float64)
    for start in range(0, len(rows), size):
        check()
        yield start, rows[start : start + size].astype(np.float64) @ wide


def tile_forest(
    vectors: Vectors, tile: tuple[int, int, int, int], *, limit: float, memory: int, check: Check
) -> Pairs:
    """Joins what the edges (score >= limit) of a tile join, with at most rows + columns pairs of objects.

    vectors (n, d) of all objects, of which only the tile's rows and columns are read. The pairs tie every object to
    the smallest one of its component: they keep the components, not which pairs were edges.
    """
    row_start, row_stop, column_start, column_stop = tile
    rows, columns = vectors[row_start:row_stop], vectors[column_start:column_stop]
    objects = np.unique(np.concatenate([np.arange(row_start, row_stop), np.arange(column_start, column_stop)]))
    forest = np.empty((0, 2), dtype=np.int64)
    for start, block in score_blocks(rows, columns, memory=memory, check=check):
        found_rows, found_columns = np.nonzero(block >= limit)
        edges = np.column_stack([found_rows + start + row_start, found_columns + column_start])
        edges = edges[edges[:, 0] < edges[:, 1]]  # of a tile on the diagonal every pair comes twice
        if len(edges):
            forest = _stars(objects, np.concatenate([forest, edges]))
    return forest


def _stars(objects: NDArray[np.int64], edges: Pairs) -> Pairs:
    labels = components(len(objects), np.searchsorted(objects, edges))
    _, first, label = np.unique(labels, return_index=True, return_inverse=True)
    centres = objects[first[label]]
    others = centres != objects
    return np.column_stack([centres[others], objects[others]])


def components(count: int, edges: Pairs) -> NDArray[np.int64]:
    """(count,) labels of the connected components of an undirected graph; O(count + edges)."""
    graph = coo_array((np.ones(len(edges), dtype=np.int8), (edges[:, 0], edges[:, 1])), shape=(count, count))
    labels: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def tile_best(
    vectors: Vectors, tile: tuple[int, int, int, int], *, limit: float, best: int, memory: int, check: Check
) -> Best:
    """For every object of a tile its `best` neighbours within it, of those with score >= limit.

    Rows find theirs among the columns and columns among the rows. Higher scores first, ties by smaller index.
    """
    row_start, row_stop, column_start, column_stop = tile
    rows, columns = vectors[row_start:row_stop], vectors[column_start:column_stop]
    kept = NO_NEIGHBOURS
    for start, block in score_blocks(rows, columns, memory=memory, check=check):
        found_rows, found_columns = np.nonzero(block >= limit)
        scores = block[found_rows, found_columns]
        left, right = found_rows + start + row_start, found_columns + column_start
        kept = keep_best([kept, Best(left, right, scores), Best(right, left, scores)], best)
    return kept


def keep_best(lists: Sequence[Best], best: int) -> Best:
    """The `best` neighbours of each object over several lists: score falling, ties by smaller index, none twice.

    An object is no neighbour of itself. O(k log k) for k entries.
    """
    objects = np.concatenate([part.objects for part in lists])
    neighbours = np.concatenate([part.neighbours for part in lists])
    scores = np.concatenate([part.scores for part in lists])
    order = np.lexsort((neighbours, -scores, objects))
    objects, neighbours, scores = objects[order], neighbours[order], scores[order]
    keep = objects != neighbours
    # equal entries stand side by side: the score of a pair is exact, so twice the pair is twice the score
    keep[1:] &= (objects[1:] != objects[:-1]) | (neighbours[1:] != neighbours[:-1])
    objects, neighbours, scores = objects[keep], neighbours[keep], scores[keep]
    starts = np.flatnonzero(np.concatenate([[True], objects[1:] != objects[:-1]])) if len(objects) else np.array([], int)
    rank = np.arange(len(objects)) - np.repeat(starts, np.diff(np.append(starts, len(objects))))
    top = rank < best
    return Best(objects[top], neighbours[top], scores[top])


NO_NEIGHBOURS = Best(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))


def groups(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(order, bounds): cluster c holds the objects order[bounds[c] : bounds[c + 1]], ascending.

    labels (n,). Larger clusters come first, equal ones by their smallest object.
    """
    _, first, label, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    order = np.argsort(rank[label], kind="stable").astype(np.int64)
    bounds = np.concatenate([[0], np.cumsum(np.sort(sizes)[::-1])]).astype(np.int64)
    return order, bounds

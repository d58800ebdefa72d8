"""Exact clustering by a similarity graph, block by block.

Objects are vertices, pairs whose score is at least a limit are edges, clusters are connected components. A tile is
a block of rows against a block of columns of the (symmetric) score matrix. Vectors must be float32 on the grid of
`lunatasks.luna_services.descriptors`: then every score is exact, and no result depends on how the matrix is cut.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from workers.numeric.matching import NO_NEIGHBOURS as NO_NEIGHBOURS
from workers.numeric.matching import Best as Best
from workers.numeric.matching import best_matches, join
from workers.numeric.matching import keep_best as keep_best
from workers.numeric.scores import Check, Vectors, above, below, blocks, error_bound, exact_scores, longest

Pairs = NDArray[np.int64]
"""(k, 2) int64: k pairs of objects, by their index."""

BYTES_PER_EDGE = 128
"""What an edge takes while edges are reduced to a forest."""


def tiles(count: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    """Tiles (row start, row stop, column start, column stop) of the upper triangle of a count x count matrix."""
    starts = range(0, count, side)
    for row in starts:
        for column in range(row, count, side):
            yield row, min(row + side, count), column, min(column + side, count)


def tile_forest(vectors: Vectors, tile: tuple[int, int, int, int], *, limit: float, memory: int, check: Check) -> Pairs:
    """Joins what the edges (score >= limit) of a tile join, with at most rows + columns pairs of objects.

    vectors (n, d) of all objects, of which only the tile's rows and columns are read. The pairs tie every object to
    the smallest one of its component: they keep the components, not which pairs were edges.
    """
    row_start, row_stop, column_start, column_stop = tile
    rows, columns = np.asarray(vectors[row_start:row_stop]), np.asarray(vectors[column_start:column_stop])
    objects = np.unique(np.concatenate([np.arange(row_start, row_stop), np.arange(column_start, column_stop)]))
    bound = error_bound(rows.shape[1], longest(rows), longest(columns))
    gathered, waiting = [np.empty((0, 2), np.int64)], 0
    for row, column in blocks(len(rows), len(columns), memory=memory // 2):
        check()
        if column.stop + column_start <= row.start + row_start + 1:  # of a tile on the diagonal, the lower half
            continue
        found = _block_edges(rows[row], columns[column], limit, bound)
        edges = np.column_stack([found[0] + (row.start + row_start), found[1] + (column.start + column_start)])
        gathered.append(edges[edges[:, 0] < edges[:, 1]])
        waiting += len(gathered[-1])
        if waiting * BYTES_PER_EDGE > memory // 2:
            gathered, waiting = [_stars(objects, np.concatenate(gathered))], 0
    return _stars(objects, np.concatenate(gathered))


def _block_edges(
    rows: Vectors, columns: Vectors, limit: float, bound: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows, columns) of the pairs with score >= limit; single precision decides outside its bound."""
    block = (rows @ columns.T).ravel()
    at = np.flatnonzero(block >= below(limit - bound))
    left, right = np.divmod(at, len(columns))
    sure = block[at] >= above(limit + bound)
    doubtful = np.flatnonzero(~sure)
    sure[doubtful] = exact_scores(rows, columns, left[doubtful], right[doubtful]) >= limit
    return left[sure], right[sure]


def _stars(objects: NDArray[np.int64], edges: Pairs) -> Pairs:
    labels = components(len(objects), np.searchsorted(objects, edges))
    _, first, label = np.unique(labels, return_index=True, return_inverse=True)
    centres = objects[first[label]]
    others = centres != objects
    return np.column_stack([centres[others], objects[others]])


def components(count: int, edges: Pairs) -> NDArray[np.int64]:
    """(count,) labels of the connected components of an undirected graph; O(count + edges)."""
    # half a second, which every process of the tree would pay at its start
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

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
    found = [_best_of(vectors, (row_start, row_stop), (column_start, column_stop), limit, best, memory, check)]
    if (row_start, row_stop) != (column_start, column_stop):
        found.append(_best_of(vectors, (column_start, column_stop), (row_start, row_stop), limit, best, memory, check))
    return join(found)


def _best_of(
    vectors: Vectors,
    seekers: tuple[int, int],
    sought: tuple[int, int],
    limit: float,
    best: int,
    memory: int,
    check: Check,
) -> Best:
    rows, columns = np.asarray(vectors[slice(*seekers)]), np.asarray(vectors[slice(*sought)])
    itself = np.arange(*seekers) - sought[0]  # in another tile: before its first or behind its last column
    lists = best_matches(rows, columns, limit=limit, best=best, memory=memory, check=check, itself=itself)
    found = join([NO_NEIGHBOURS, *lists])
    return Best(found.objects + seekers[0], found.neighbours + sought[0], found.scores)


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

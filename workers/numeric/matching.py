"""Exact best neighbours, block by block: single precision chooses, double precision decides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.numeric.scores import (
    BLOCK_COLUMNS,
    BLOCK_PAIRS,
    Check,
    Vectors,
    below,
    blocks,
    error_bound,
    exact_scores,
    longest,
)


@dataclass(frozen=True, slots=True)
class Best:
    """The best neighbours of some objects: object, neighbour (int64) and score (float64), each of length k."""

    objects: NDArray[np.int64]
    neighbours: NDArray[np.int64]
    scores: NDArray[np.float64]


NO_NEIGHBOURS = Best(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))
CHUNK = 16384
BYTES_PER_ENTRY = 128
"""What an entry of a list takes while lists are joined: the entry, its order, its copies."""


def keep_best(lists: Sequence[Best], best: int) -> Best:
    """The `best` neighbours of each object over several lists: score falling, ties by smaller index, none twice.

    An object is no neighbour of itself. O(k log k) for k entries.
    """
    ordered = _ordered(join(lists))
    objects, neighbours, scores = ordered.objects, ordered.neighbours, ordered.scores
    keep = objects != neighbours
    # equal entries stand side by side: the score of a pair is exact, so twice the pair is twice the score
    keep[1:] &= (objects[1:] != objects[:-1]) | (neighbours[1:] != neighbours[:-1])
    return _first(Best(objects[keep], neighbours[keep], scores[keep]), best)


def join(lists: Sequence[Best]) -> Best:
    """Lists behind each other."""
    return Best(
        np.concatenate([part.objects for part in lists]),
        np.concatenate([part.neighbours for part in lists]),
        np.concatenate([part.scores for part in lists]),
    )


def _ordered(found: Best) -> Best:
    order = np.lexsort((found.neighbours, -found.scores, found.objects))
    return Best(found.objects[order], found.neighbours[order], found.scores[order])


def _first(ordered: Best, best: int) -> Best:
    """The first `best` entries of each object; entries of an object stand together."""
    objects = ordered.objects
    starts = (
        np.flatnonzero(np.concatenate([[True], objects[1:] != objects[:-1]])) if len(objects) else np.array([], int)
    )
    rank = np.arange(len(objects)) - np.repeat(starts, np.diff(np.append(starts, len(objects))))
    top = rank < best
    return Best(objects[top], ordered.neighbours[top], ordered.scores[top])


def best_matches(
    rows: Vectors,
    columns: Vectors,
    *,
    limit: float,
    best: int,
    memory: int,
    check: Check,
    itself: NDArray[np.int64] | None = None,
) -> Iterator[Best]:
    """For every row its `best` columns of those with score >= limit, some rows at a time, rows ascending.

    rows (m, d), columns (n, d) float32; itself (m,): the column that a row must not find, -1 for none. Objects are
    rows, neighbours columns, by index; scores fall, ties by smaller column. Time O(m n d) in single precision.
    """
    best = min(best, len(columns))
    if not len(rows) or not best:
        return
    search = _Search(columns, limit, best, memory, check)
    size = max(1, min(BLOCK_PAIRS // min(len(columns), BLOCK_COLUMNS), memory // 2 // (best * BYTES_PER_ENTRY)))
    for start in range(0, len(rows), size):
        some = np.asarray(rows[start : start + size])
        found = search.of_rows(some, None if itself is None else itself[start : start + size])
        yield Best(found.objects + start, found.neighbours, found.scores)


@dataclass
class _Search:
    """The columns that are searched, and for what."""

    columns: Vectors
    limit: float
    best: int
    memory: int
    check: Check

    def __post_init__(self) -> None:
        self._reach = max(
            (longest(self.columns[start : start + CHUNK]) for start in range(0, len(self.columns), CHUNK)),
            default=0.0,
        )

    def of_rows(self, rows: Vectors, itself: NDArray[np.int64] | None) -> Best:
        """Best columns of a few rows.

        `bars` (m,) float32 is for every row what a single-precision score must reach: an exact score of `limit` or
        more, or of the row's `best`-th so far, lies at most `bound` above its single-precision one.
        """
        bound = error_bound(rows.shape[1], longest(rows), self._reach)
        bars = np.full(len(rows), below(self.limit - bound))
        kept, waiting = NO_NEIGHBOURS, [NO_NEIGHBOURS]
        most = max(4 * self.best * len(rows), 4096)
        for row, column in blocks(len(rows), len(self.columns), memory=self.memory // 2):
            self.check()
            found = self._of_block(rows[row], self.columns[column], bars[row], bound)
            waiting.append(Best(found.objects + row.start, found.neighbours + column.start, found.scores))
            if sum(len(part.objects) for part in waiting) > most:
                kept, waiting = self._fold([kept, *waiting], itself, bars, bound), [NO_NEIGHBOURS]
        return self._fold([kept, *waiting], itself, bars, bound)

    def _of_block(self, rows: Vectors, columns: Vectors, bars: NDArray[np.float32], bound: float) -> Best:
        block = rows @ columns.T
        at = np.flatnonzero(block >= bars[:, None])
        if len(at) > len(rows) * (4 * self.best + 8) and self.best + 1 < len(columns):
            _raise_bars(block, bars, self.best, bound)
            at = np.flatnonzero(block >= bars[:, None])
        left, right = np.divmod(at, len(columns))
        scores = exact_scores(rows, columns, left, right)
        good = scores >= self.limit
        return Best(left[good], right[good], scores[good])

    def _fold(
        self, lists: Sequence[Best], itself: NDArray[np.int64] | None, bars: NDArray[np.float32], bound: float
    ) -> Best:
        """The best of the lists; bars rise to the last of every full list."""
        found = join(lists)
        if itself is not None:
            other = found.neighbours != itself[found.objects]
            found = Best(found.objects[other], found.neighbours[other], found.scores[other])
        found = _first(_ordered(found), self.best)
        counts = np.bincount(found.objects, minlength=len(bars))
        full = np.flatnonzero(counts == self.best)
        last = found.scores[np.cumsum(counts)[full] - 1]
        lowered = np.nextafter((last - bound).astype(np.float32), np.float32(-np.inf))
        bars[full] = np.maximum(bars[full], lowered)
        return found


def _raise_bars(block: NDArray[np.float32], bars: NDArray[np.float32], best: int, bound: float) -> None:
    """Bars up to what the best of a block ask for; block (m, n), n > best + 1.

    Of the best + 1 largest scores of a row one may be its own: the exact score of the `best`-th neighbour is at
    least the smallest of them less the bound, and a better one looks at most a bound worse than it is.
    """
    at = block.shape[1] - 1 - best
    smallest = np.partition(block, at, axis=1)[:, at].astype(np.float64)
    np.maximum(bars, np.nextafter((smallest - 2 * bound).astype(np.float32), np.float32(-np.inf)), out=bars)

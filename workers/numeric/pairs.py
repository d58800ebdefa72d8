"""Passes over the pairs of marked objects: best mates, who beats them, scores by class, misses by person.

The objects stand person after person, so that mated pairs lie near the diagonal of the score matrix. Scores are
exact; as whole numbers of UNIT they are counted and compared without any rounding.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workers.numeric.scores import Check, Vectors, blocks, longest

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Tile = tuple[int, int, int, int]

UNIT = 2.0**-52
"""Every score is a whole number of units."""
BIN_BITS = 33
BINS_A_SIDE = 2**19 + 2**9
BINS = 2 * BINS_A_SIDE
"""Bins of 2^33 units (cosine 1.9e-6) from below -1 to above 1: a grid vector may be a little longer than one."""
MATE_ROWS = 128
MATE_COLUMNS = 8192
NOBODY = -1


@dataclass(frozen=True, slots=True)
class Marked:
    """Objects with their people.

    vectors (n, d) float32; persons (n,) int64 ascending, from 0 without gaps; ranks (n,) int64: the place of each
    object's id among all, which decides ties.
    """

    vectors: Vectors
    persons: Integers
    ranks: Integers

    def check_lengths(self) -> None:
        """Raises ValueError for vectors that are not normalised: their scores would leave the bins."""
        if longest(self.vectors) ** 2 > 1 + 2.0**-10:
            raise ValueError("vectors must be normalised")


# -- mated pairs -------------------------------------------------------------------------------------


def mated_ranges(persons: Integers, *, pairs: int) -> Iterator[tuple[int, int]]:
    """[start, stop) of rows with about so many mated pairs each, from 0 to n."""
    sizes = np.bincount(persons)[persons] + MATE_ROWS  # what a row costs: its person's objects, and the block around
    whole = (np.cumsum(sizes) - 1) // pairs
    cuts = np.flatnonzero(np.diff(whole)) + 1
    edges = [0, *cuts.tolist(), len(persons)]
    yield from ((start, stop) for start, stop in pairwise(edges) if start < stop)


def _mated_blocks(marked: Marked, start: int, stop: int, check: Check) -> Iterator[tuple[slice, slice, Floats]]:
    """Blocks of exact scores that hold all mates of the rows start to stop, rows ascending."""
    for row in range(start, stop, MATE_ROWS):
        last = min(row + MATE_ROWS, stop)
        low = int(np.searchsorted(marked.persons, marked.persons[row], side="left"))
        high = int(np.searchsorted(marked.persons, marked.persons[last - 1], side="right"))
        wide = marked.vectors[row:last].astype(np.float64)
        for column in range(low, high, MATE_COLUMNS):
            check()
            columns = slice(column, min(column + MATE_COLUMNS, high))
            yield slice(row, last), columns, wide @ marked.vectors[columns].astype(np.float64).T


def best_mates(marked: Marked, start: int, stop: int, *, check: Check) -> tuple[Integers, Floats]:
    """(mates, scores) of the rows start to stop: the most similar other object of the person, ties by id.

    mates is NOBODY and the score inf, which nobody beats, for the only object of a person.
    """
    mates, scores = np.full(stop - start, NOBODY, np.int64), np.full(stop - start, -np.inf)
    for row, column, block in _mated_blocks(marked, start, stop, check):
        block[~_mated(marked, row, column)] = -np.inf
        top = block.max(axis=1)
        tied = np.where(block == top[:, None], marked.ranks[column], np.iinfo(np.int64).max)
        found = column.start + tied.argmin(axis=1)
        here = slice(row.start - start, row.stop - start)
        old = np.where(mates[here] == NOBODY, np.iinfo(np.int64).max, marked.ranks[mates[here]])
        better = (top > scores[here]) | ((top == scores[here]) & (top > -np.inf) & (marked.ranks[found] < old))
        mates[here] = np.where(better, found, mates[here])
        scores[here] = np.where(better, top, scores[here])
    scores[mates == NOBODY] = np.inf
    return mates, scores


def _mated(marked: Marked, row: slice, column: slice) -> NDArray[np.bool_]:
    same = marked.persons[row, None] == marked.persons[column]
    return same & (np.arange(row.start, row.stop)[:, None] != np.arange(column.start, column.stop))


def misses(marked: Marked, start: int, stop: int, *, thresholds: Floats, check: Check) -> Integers:
    """(people, k) int64: mated pairs with a score below each of k ascending thresholds, person by person.

    People are those of the rows start to stop; a pair counts where its first object is.
    """
    first = int(marked.persons[start])
    kinds = len(thresholds) + 1
    counts = np.zeros((int(marked.persons[stop - 1]) - first + 1) * kinds, np.int64)
    for row, column, block in _mated_blocks(marked, start, stop, check):
        later = np.arange(row.start, row.stop)[:, None] < np.arange(column.start, column.stop)
        at = np.flatnonzero(later & (marked.persons[row, None] == marked.persons[column]))
        passed = np.searchsorted(thresholds, block.ravel()[at], side="right")
        people = marked.persons[row.start + at // block.shape[1]] - first
        np.add.at(counts, people * kinds + passed, 1)
    # who passes c thresholds misses those from the c-th on
    return np.cumsum(counts.reshape(-1, kinds), axis=1)[:, :-1]


# -- all pairs ---------------------------------------------------------------------------------------


class Sink(Protocol):
    """Takes the scores of pairs, of one class or with a mark of the mated ones."""

    def add(self, scores: Floats, mated: NDArray[np.bool_] | None) -> None:
        """scores (k,) exact; mated (k,), or None when no pair is mated."""
        ...


def add_tile(marked: Marked, tile: Tile, sink: Sink, *, memory: int, check: Check) -> None:
    """Give the pairs of a tile, each once, to the sink."""
    for row, column, block in _upper_blocks(marked, tile, memory, check):
        _add_block(marked, row, column, block, sink)


def count_better(
    marked: Marked, tile: Tile, mates: Integers, bars: Floats, sink: Sink, *, memory: int, check: Check
) -> tuple[Integers, Integers]:
    """The same; and for every row and every column of the tile, how many objects within it beat its best mate.

    mates, bars (n,) as from `best_mates`, of all objects. An object beats the mate by a higher score, or by the same
    score and a smaller id. The pairs of one person beat nobody.
    """
    row_start, row_stop, column_start, column_stop = tile
    rows, columns = np.zeros(row_stop - row_start, np.int64), np.zeros(column_stop - column_start, np.int64)
    for row, column, block in _upper_blocks(marked, tile, memory, check):
        near = rows[row.start - row_start : row.stop - row_start]
        far = columns[column.start - column_start : column.stop - column_start]
        near += np.count_nonzero(block > bars[row, None], axis=1)
        far += np.count_nonzero(block > bars[column], axis=0)
        left, right = np.divmod(np.flatnonzero(block == bars[row, None]), block.shape[1])
        np.add.at(near, left, _wins_tie(marked, mates, row.start + left, column.start + right))
        left, right = np.divmod(np.flatnonzero(block == bars[column]), block.shape[1])
        np.add.at(far, right, _wins_tie(marked, mates, column.start + right, row.start + left))
        _add_block(marked, row, column, block, sink)
    return rows, columns


def _wins_tie(marked: Marked, mates: Integers, probes: Integers, others: Integers) -> Integers:
    strangers = marked.persons[probes] != marked.persons[others]
    return (strangers & (marked.ranks[others] < marked.ranks[mates[probes]])).astype(np.int64)


def _upper_blocks(marked: Marked, tile: Tile, memory: int, check: Check) -> Iterator[tuple[slice, slice, Floats]]:
    """Blocks of exact scores of a tile; what is not above the diagonal is -inf."""
    row_start, row_stop, column_start, column_stop = tile
    for row, column in blocks(row_stop - row_start, column_stop - column_start, memory=memory):
        check()
        rows = slice(row.start + row_start, row.stop + row_start)
        columns = slice(column.start + column_start, column.stop + column_start)
        if columns.stop <= rows.start + 1:
            continue
        block = marked.vectors[rows].astype(np.float64) @ marked.vectors[columns].astype(np.float64).T
        if columns.start < rows.stop:
            block[np.arange(rows.start, rows.stop)[:, None] >= np.arange(columns.start, columns.stop)] = -np.inf
        yield rows, columns, block


def _add_block(marked: Marked, row: slice, column: slice, block: Floats, sink: Sink) -> None:
    if column.start >= row.stop and marked.persons[column.start] > marked.persons[row.stop - 1]:
        sink.add(block.ravel(), None)
        return
    above = block > -np.inf
    mated = marked.persons[row, None] == marked.persons[column]
    sink.add(block[above], mated[above])


class Histogram:
    """Counts (2, BINS) int64 of non-mated and mated pairs."""

    def __init__(self, counts: Integers | None = None) -> None:
        self.counts = np.zeros((2, BINS), np.int64) if counts is None else counts

    def add(self, scores: Floats, mated: NDArray[np.bool_] | None) -> None:
        """See Sink."""
        at = bins(scores)
        if mated is None:
            np.add.at(self.counts[0], at, 1)
        else:
            np.add.at(self.counts.ravel(), at + mated * BINS, 1)


def bins(scores: Floats) -> NDArray[np.intp]:
    """The bin of each score: scaling by a power of two and rounding down are exact."""
    at = np.floor(scores * (1.0 / (UNIT * 2.0**BIN_BITS))).astype(np.intp)
    at += BINS_A_SIDE
    return at


@dataclass(frozen=True, slots=True)
class Windows:
    """Ranges of scores: starts (k,) int64 ascending, in units, a multiple of the width; widths 2^bits (k,).

    No window is wider than a bin.
    """

    starts: Integers
    bits: Integers

    def bins_with_any(self) -> NDArray[np.bool_]:
        """(BINS,) whether a window lies in each bin."""
        flags = np.zeros(BINS, np.bool_)
        flags[(self.starts >> BIN_BITS) + BINS_A_SIDE] = True
        return flags


def pairs_of_tile(tile: Tile) -> int:
    """How many pairs a tile has."""
    row_start, row_stop, column_start, column_stop = tile
    firsts = np.maximum(np.arange(row_start, row_stop) + 1, column_start)
    return int(np.maximum(column_stop - firsts, 0).sum())


class Everything:
    """Scores of all pairs, as keys: twice the score in units, and one more of a mated pair.

    keys (k,) int64: what they are written to, as long as there are pairs.
    """

    def __init__(self, keys: Integers) -> None:
        self.keys = keys
        self._count = 0

    def add(self, scores: Floats, mated: NDArray[np.bool_] | None) -> None:
        """See Sink."""
        stop = self._count + len(scores)
        self.keys[self._count : stop] = keys(units(scores), mated)
        self._count = stop

    def sort(self) -> None:
        """Once all pairs were added."""
        self.keys.sort()


def units(scores: Floats) -> Integers:
    """Scores as whole numbers."""
    return (scores * (1.0 / UNIT)).astype(np.int64)


def keys(found: Integers, mated: NDArray[np.bool_] | None) -> Integers:
    """One number of score and class."""
    doubled = found * 2
    return doubled if mated is None else doubled + mated


class InWindows:
    """Passes on what lies in a window, as (window, units, mated)."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._flags = windows.bins_with_any()

    def select(self, scores: Floats, mated: NDArray[np.bool_] | None) -> tuple[Integers, Integers, NDArray[np.bool_]]:
        """Window, units and class of the pairs that lie in one."""
        at = np.flatnonzero(self._flags[bins(scores)])
        found = units(scores[at])
        window = np.searchsorted(self._windows.starts, found, side="right") - 1
        inside = (found - self._windows.starts[window]) >> self._windows.bits[window] == 0
        inside &= window >= 0
        marks = np.zeros(len(at), np.bool_) if mated is None else mated[at]
        return window[inside], found[inside], marks[inside]


class Collected:
    """The keys of the pairs in some windows."""

    def __init__(self, windows: Windows) -> None:
        self._selection = InWindows(windows)
        self._keys: list[Integers] = []

    def add(self, scores: Floats, mated: NDArray[np.bool_] | None) -> None:
        """See Sink."""
        _, found, marks = self._selection.select(scores, mated)
        self._keys.append(keys(found, marks))

    def sorted_keys(self) -> Integers:
        """(k,) int64 ascending; the sink is empty afterwards."""
        found = np.concatenate([np.empty(0, np.int64), *self._keys])
        self._keys.clear()
        found.sort()
        return found


CELL_BITS = 20


def split_bits(windows: int) -> int:
    """Windows that hold too much are counted in 2^b equal parts each: all together in about 2^CELL_BITS."""
    return max(1, CELL_BITS - max(windows - 1, 0).bit_length())


class Refined:
    """Counts (2, k * 2^b) int64 of the pairs in the equal parts of each of k windows, b = `split_bits(k)`."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._selection = InWindows(windows)
        self._bits = split_bits(len(windows.starts))
        self.counts = np.zeros((2, len(windows.starts) << self._bits), np.int64)

    def add(self, scores: Floats, mated: NDArray[np.bool_] | None) -> None:
        """See Sink."""
        window, found, marks = self._selection.select(scores, mated)
        shift = np.maximum(self._windows.bits[window] - self._bits, 0)
        at = (window << self._bits) + ((found - self._windows.starts[window]) >> shift)
        np.add.at(self.counts.ravel(), at + marks * self.counts.shape[1], 1)

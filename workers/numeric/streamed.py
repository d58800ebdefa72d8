"""ROC figures of scores too many to be held at once: sorted runs of them are merged, and evaluated in passing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isqrt

import numpy as np

from workers.numeric.curve import Curve, CurveBuilder
from workers.numeric.pairs import Integers
from workers.numeric.roc import (
    HISTOGRAM_SIDE,
    EqualErrorRate,
    Evaluation,
    KeyPoint,
    Levels,
    levels_of_keys,
    score_histograms,
)
from workers.numeric.scores import Check

Run = Callable[[], Integers]
"""Ascending keys of `pairs.keys`, mapped anew by every call: what was read of an older map leaves memory with it."""

LEAST_ROWS = 512
LEAST_KEYS, MOST_KEYS = 2**10, 2**18
BYTES_PER_KEY = 256
"""What a key may take while it is merged: itself, its level, the place of that on the curve."""


def rows_of_tile(memory: int) -> int:
    """Objects a side of a tile whose keys, 8 bytes each, take half of the memory."""
    return max(LEAST_ROWS, isqrt(memory // 16))


def keys_at_once(memory: int) -> int:
    """The size for `falling_levels`."""
    return min(MOST_KEYS, max(LEAST_KEYS, memory // BYTES_PER_KEY))


def falling_levels(runs: Sequence[Run], size: int, *, check: Check) -> Iterator[Levels]:
    """Exact levels of all runs, about `size` keys at a time; scores fall from one Levels to the next.

    Memory is O(size), however many pairs have one score.
    """
    stops = [len(run()) for run in runs]
    while any(stops):
        check()
        opened = [run()[:stop] for run, stop in zip(runs, stops, strict=True)]
        step = max(1, size // len(runs))
        bars = [int(keys[-step]) >> 1 for keys in opened if len(keys) > step]
        if not bars:
            stops, levels = [0] * len(runs), _levels(opened)
        else:
            stops, levels = _above(opened, max(bars))
        yield levels


def _above(runs: Sequence[Integers], bar: int) -> tuple[list[int], Levels]:
    """What scores higher than the bar, in units, or else the one level at it; how much is left of each run."""
    starts = [int(np.searchsorted(keys, 2 * bar + 2)) for keys in runs]
    if any(start < len(keys) for start, keys in zip(starts, runs, strict=True)):
        return starts, _levels([keys[start:] for start, keys in zip(starts, runs, strict=True)])
    mated = sum(len(keys) - int(np.searchsorted(keys, 2 * bar + 1)) for keys in runs)
    starts = [int(np.searchsorted(keys, 2 * bar)) for keys in runs]
    both = sum(map(len, runs)) - sum(starts)
    return starts, Levels(np.array([bar]), np.zeros(1, np.int8), np.array([mated]), np.array([both - mated]))


def _levels(runs: Sequence[Integers]) -> Levels:
    keys = np.concatenate(runs)
    keys.sort()
    return levels_of_keys(keys)


class Streamed:
    """The figures of `Evaluation` at wanted FPRs, of exact levels whose scores fall from one Levels to the next.

    mated, nonmated: all pairs. `histograms` as of `score_histograms`; without one of the classes there is no more.
    """

    def __init__(self, chunks: Iterable[Levels], wanted: Sequence[float], *, mated: int, nonmated: int) -> None:
        self.mated, self.nonmated = mated, nonmated
        self.histograms = np.zeros((2, 2 * HISTOGRAM_SIDE), np.int64)
        self._wanted = wanted
        self._above = np.zeros((2, 1), np.int64)
        self._doubled_u = 0
        self._key_points: dict[float, KeyPoint] = {}
        self._equal: EqualErrorRate | None = None
        self._curve = CurveBuilder(mated=mated, nonmated=nonmated)
        for levels in chunks:
            self.histograms += score_histograms(levels)
            if mated and nonmated:
                self._add(levels)

    def _add(self, levels: Levels) -> None:
        counts = np.stack([levels.mated, levels.nonmated]).astype(np.int64)
        below = np.array([[self.mated], [self.nonmated]]) - self._above - counts.sum(axis=1, keepdims=True)
        whole = _between(below, levels, self._above)
        inside = range(1, len(levels.starts) + 1)
        self._doubled_u += whole.doubled_u(slice(inside.start, inside.stop))
        for rate in self._wanted:
            if whole.key_level(rate) in inside:
                self._key_points[rate] = whole.key_point(rate)
        if whole.crossing() in inside:
            self._equal = whole.equal_error_rate()
        self._curve.add(levels.starts, levels.mated, levels.nonmated)
        self._above += counts.sum(axis=1, keepdims=True)

    def area(self) -> float:
        """See Evaluation."""
        return self._doubled_u / (2 * self.mated * self.nonmated)

    def area_bound(self) -> float:
        """See Evaluation."""
        return 0.0

    def key_point(self, wanted: float) -> KeyPoint:
        """See Evaluation; one of the wanted rates."""
        return self._key_points[wanted]

    def equal_error_rate(self) -> EqualErrorRate:
        """See Evaluation."""
        if self._equal is None:
            raise ValueError("the levels must hold all pairs")
        return self._equal

    def curve(self) -> Curve:
        """See Evaluation; once."""
        return self._curve.curve()


def _between(below: Integers, levels: Levels, above: Integers) -> Evaluation:
    """Some levels among all pairs: those below and above, (2, 1) mated and non-mated, are one level each."""
    starts = np.concatenate([levels.starts[:1] - 1, levels.starts, levels.starts[-1:] + 1])
    mated = np.concatenate([below[0], levels.mated, above[0]])
    nonmated = np.concatenate([below[1], levels.nonmated, above[1]])
    return Evaluation(Levels(starts, np.zeros(len(starts), np.int8), mated, nonmated))

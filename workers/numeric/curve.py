"""Points of a ROC curve, chosen while its levels pass by."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workers.numeric.pairs import Integers

MOST_POINTS = 10_000
EVEN_STEPS = 1800


@dataclass(frozen=True, slots=True)
class Curve:
    """(k,) counts of accepted pairs, both from 0 to all, and least accepted scores in units.

    The first point accepts nothing and has no threshold: `thresholds` is one shorter.
    """

    false_matches: Integers
    true_matches: Integers
    thresholds: Integers


@dataclass
class _Targets:
    """Ascending counts in row `row` of the points; the first corner at or beyond each (right: the last up to it)."""

    row: int
    values: Integers
    side: Literal["left", "right"] = "left"

    def reached(self, points: Integers) -> Integers:
        """Positions in the points, (3, k), of the targets that are reached in them; those leave."""
        at = np.searchsorted(points[self.row], self.values, side=self.side)
        count = int(np.searchsorted(at, points.shape[1]))
        self.values = self.values[count:]
        return at[:count] - (self.side == "right")


class CurveBuilder:
    """Corners of the curve, or when there are MOST_POINTS or more a fixed choice of fewer: even steps of both counts,
    and finer ones where few pairs are wrong.

    A corner is a point that does not lie halfway on a straight line of evenly spaced ones, as scikit-learn drops
    them. Points are (3, k): false matches, true matches, threshold; memory is O(levels of one call).
    """

    def __init__(self, *, mated: int, nonmated: int) -> None:
        self._mated, self._nonmated = mated, nonmated
        self._accepted = np.zeros((2, 1), np.int64)
        self._waiting = self._previous = np.empty((3, 0), np.int64)
        self._count = 0
        self._all: list[Integers] = []
        self._chosen: list[Integers] = []
        self._targets: list[_Targets] = []

    def add(self, starts: Integers, mated: NDArray[np.integer], nonmated: NDArray[np.integer]) -> None:
        """Levels (k,), ascending, all below those given before."""
        falling = np.stack([nonmated[::-1], mated[::-1], starts[::-1]]).astype(np.int64)
        levels = np.concatenate([self._waiting, falling], axis=1)
        if levels.shape[1]:
            accepted = np.cumsum(levels[:2], axis=1) + self._accepted
            bends = (levels[:2, 1:] != levels[:2, :-1]).any(axis=0)
            bends[:1] |= not self._count
            corners = np.flatnonzero(bends)
            self._take(np.concatenate([accepted[:, corners], levels[2:, corners]]))
            self._waiting = levels[:, -1:]  # whether it is a corner depends on the next
            self._accepted = accepted[:, -1:] - self._waiting[:2]

    def curve(self) -> Curve:
        """The curve; all levels were given."""
        self._take(np.concatenate([self._accepted + self._waiting[:2], self._waiting[2:]]))
        found = self._all if self._count < MOST_POINTS else [*self._chosen, self._previous]
        # a point that was found twice is there twice: both counts of it
        points = np.unique(np.concatenate(found, axis=1), axis=1)
        return Curve(
            np.concatenate([[0], points[0]]).astype(np.int64),
            np.concatenate([[0], points[1]]).astype(np.int64),
            points[2],
        )

    def _take(self, corners: Integers) -> None:
        if not corners.shape[1]:
            return
        if not self._count:
            self._targets = self._all_targets(int(corners[1, 0]))
            self._chosen.append(corners[:, :1])
        self._count += corners.shape[1]
        if self._count < MOST_POINTS:
            self._all.append(corners)
        else:
            self._all.clear()
        points = np.concatenate([self._previous, corners], axis=1)
        at = np.unique(np.concatenate([targets.reached(points) for targets in self._targets]))
        self._chosen.append(points[:, at])
        self._previous = corners[:, -1:]

    def _all_targets(self, first: int) -> list[_Targets]:
        """first: mated pairs that the first corner accepts."""
        steps = np.arange(EVEN_STEPS)
        false = np.concatenate([_geometric(self._nonmated, 6), self._nonmated * steps // EVEN_STEPS])
        missed = _geometric(self._mated - first, 12)
        return [
            _Targets(0, np.sort(false)),
            _Targets(1, self._mated * steps // EVEN_STEPS),
            _Targets(1, self._mated - missed[::-1], "right"),
        ]


def _geometric(last: int, thousandths: int) -> Integers:
    """Whole numbers from 1 that grow by so many thousandths, at least by 1."""
    found, at = [], 1
    while at <= last:
        found.append(at)
        at += max(1, at * thousandths // 1000)
    return np.array(found, np.int64)

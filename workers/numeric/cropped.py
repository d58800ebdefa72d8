"""Figures of lists that were cropped to the best candidates: kept for those who compare with older evaluations.

Pairs that no list holds count as below every score, which understates TPR: with eleven images of a person and lists
of five no more than half of the mated pairs can be listed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.numeric import roc
from workers.numeric.pairs import UNIT, Integers, Marked, keys, units
from workers.numeric.roc import UNLISTED, Levels


@dataclass(frozen=True, slots=True)
class CroppedLists:
    """Candidates of objects: (k,) object, candidate, score; lists behind each other, scores falling in each."""

    marked: Marked
    objects: Integers
    candidates: Integers
    scores: NDArray[np.float64]

    def _mated(self) -> NDArray[np.bool_]:
        return self.marked.persons[self.objects] == self.marked.persons[self.candidates]

    def levels(self, *, mated: int, nonmated: int) -> Levels:
        """Exact levels of what is listed, and one of all other pairs; the arguments are the expected counts."""
        listed = roc.levels_of_keys(np.sort(keys(units(self.scores), self._mated())))
        rest = mated - int(listed.mated.sum()), nonmated - int(listed.nonmated.sum())
        if not any(rest):
            return listed
        return Levels(
            np.concatenate([[UNLISTED], listed.starts]),
            np.concatenate([np.zeros(1, np.int8), listed.bits]),
            np.concatenate([[rest[0]], listed.mated]),
            np.concatenate([[rest[1]], listed.nonmated]),
        )

    def misses(self, thresholds: list[int]) -> Integers:
        """(people, k): expected mated pairs that no list holds at or above each of k thresholds, in units."""
        images = np.bincount(self.marked.persons)
        mated = self._mated()
        people, scores = self.marked.persons[self.objects[mated]], self.scores[mated]
        missed = np.empty((len(images), len(thresholds)), np.int64)
        for at, threshold in enumerate(thresholds):
            found = np.bincount(people[scores >= threshold * UNIT], minlength=len(images))
            missed[:, at] = images * (images - 1) - found
        return missed

    def first_hits(self) -> tuple[Integers, NDArray[np.float64]]:
        """(better, scores), each (n,): candidates before the first mate in a list, its score; inf without one."""
        count = len(self.marked.persons)
        place = np.arange(len(self.objects)) - np.searchsorted(self.objects, self.objects, side="left")
        at = np.flatnonzero(self._mated())
        probes, first = np.unique(self.objects[at], return_index=True)
        better, scores = np.zeros(count, np.int64), np.full(count, np.inf)
        better[probes], scores[probes] = place[at[first]], self.scores[at[first]]
        return better, scores

"""ROC figures from counts: curve, area, equal error rate, operating points.

All of it stands on levels: ranges of scores with the mated and non-mated pairs in them. A level of one score is
exact; a wider one is a bin whose inner order is not known. Counts are whole numbers and every figure is a ratio of
such, rounded once, so that no result depends on the order in which pairs were seen.

A pair is accepted when its score is at least the threshold. Terms as in ISO/IEC 19795-1: FMR (false match rate; the
FPR of the curve) is the share of non-mated pairs accepted, FNMR (1 - TPR) the share of mated pairs not accepted.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from workers.numeric.curve import Curve, CurveBuilder
from workers.numeric.pairs import BIN_BITS, BINS_A_SIDE, Integers, Windows, split_bits

AUC_BOUND = 1e-6
EXPECTED_FALSE_MATCHES = 30
"""Rule of 30 (Doddington et al., 2000): with fewer errors than that a rate is not known to 30 % at 90 % confidence."""
UNLISTED = -(2**53)
"""Level, in units, of pairs that have no score because a list was cropped: below every score."""
HISTOGRAM_BITS = 45
HISTOGRAM_SIDE = 128
"""Score histograms: bins of 2^45 units, cosine 1/128, 128 on each side of 0."""
_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Levels:
    """Counts of pairs by score.

    starts (k,) int64 ascending: the least score of a level in units; bits (k,): the level is 2^bits units wide, 0 of
    an exact one; mated, nonmated (k,): how many pairs lie in it. No level is empty.
    """

    starts: Integers
    bits: NDArray[np.int8]
    mated: NDArray[np.integer]
    nonmated: NDArray[np.integer]

    def windows(self, chosen: Integers) -> Windows:
        """Some levels as windows."""
        return Windows(self.starts[chosen], self.bits[chosen].astype(np.int64))

    def pairs(self, chosen: Integers) -> int:
        """How many pairs lie in some levels."""
        return int(self.mated[chosen].sum(dtype=np.int64) + self.nonmated[chosen].sum(dtype=np.int64))


def levels_of_bins(counts: Integers) -> Levels:
    """Levels of `Histogram.counts`."""
    at = np.flatnonzero(counts.any(axis=0))
    bits = np.full(len(at), BIN_BITS, np.int8)
    return Levels((at - BINS_A_SIDE) << BIN_BITS, bits, counts[1, at], counts[0, at])


def levels_of_parts(windows: Windows, counts: Integers) -> Levels:
    """Levels of `Refined.counts`."""
    at = np.flatnonzero(counts.any(axis=0))
    split = split_bits(len(windows.starts))
    window, part = at >> split, at & (2**split - 1)
    bits = np.maximum(windows.bits[window] - split, 0)
    return Levels(windows.starts[window] + (part << bits), bits.astype(np.int8), counts[1, at], counts[0, at])


def levels_of_keys(keys: Integers) -> Levels:
    """Exact levels of fewer than 2^31 ascending keys of `pairs.keys`, one of each pair."""
    new, marks = np.ones(len(keys), np.bool_), np.empty(len(keys), np.int8)
    for part in _chunks(len(keys)):  # the temporaries of all at once would be the largest arrays there are
        marks[part] = keys[part] & 1
        new[1:][part] = (keys[1:][part] ^ keys[:-1][part]) >> 1 != 0
    first = np.flatnonzero(new)
    sizes, mated = np.empty(len(first), np.int32), np.zeros(len(first), np.int32)
    if len(first):
        np.subtract(first[1:], first[:-1], out=sizes[:-1], casting="unsafe")
        sizes[-1] = len(keys) - first[-1]
        np.add.reduceat(marks, first, dtype=np.int32, out=mated)
    sizes -= mated
    starts = keys[first]
    starts >>= 1
    return Levels(starts, np.zeros(len(first), np.int8), mated, sizes)


def replaced(levels: Levels, chosen: Integers, found: Levels) -> Levels:
    """Levels with some of them replaced by the finer ones found in them."""
    rest = np.ones(len(levels.starts), np.bool_)
    rest[chosen] = False
    starts = np.concatenate([levels.starts[rest], found.starts])
    order = np.argsort(starts, kind="stable")
    return Levels(
        starts[order],
        np.concatenate([levels.bits[rest], found.bits])[order],
        np.concatenate([levels.mated[rest], found.mated])[order],
        np.concatenate([levels.nonmated[rest], found.nonmated])[order],
    )


@dataclass(frozen=True, slots=True)
class KeyPoint:
    """The operating point of a wanted FPR: pairs accepted of both classes, least accepted score in units."""

    wanted: float
    false_matches: int
    true_matches: int
    threshold: int
    supported: bool


@dataclass(frozen=True, slots=True)
class EqualErrorRate:
    """low <= rate <= high; threshold in units."""

    rate: float
    low: float
    high: float
    threshold: int


class Evaluation:
    """Figures of levels in which both classes occur.

    accepted pairs at the threshold `levels.starts[i]` are `false[i]` and `true[i]`, i from 0 to k; at k nothing is.
    """

    def __init__(self, levels: Levels) -> None:
        self.levels = levels
        self.mated = int(levels.mated.sum(dtype=np.int64))
        self.nonmated = int(levels.nonmated.sum(dtype=np.int64))
        if not self.mated or not self.nonmated:
            raise ValueError("both classes must occur")
        self._true = _from_the_end(levels.mated, self.mated)
        self._false = _from_the_end(levels.nonmated, self.nonmated)

    # -- area

    def area(self) -> float:
        """Area under the curve: the chance that a mated pair scores higher than a non-mated one, ties a half.

        Exact for exact levels; else no further than `area_bound` from the truth.
        """
        wins = sum(self.doubled_u(part) for part in _chunks(len(self.levels.starts)))
        return wins / (2 * self.mated * self.nonmated)

    def doubled_u(self, chosen: slice) -> int:
        """Twice the Mann-Whitney U statistic, ties a half: non-mated pairs of the levels against all mated ones."""
        # its non-mated pairs lose to the mated ones above it, and half of the time to those in it
        return _dot(self.levels.nonmated[chosen], self._true[1:][chosen], self._true[:-1][chosen])

    def area_bound(self) -> float:
        """Largest error of `area`: pairs of pairs within a wide level may be in either order, not tied."""
        wide = np.flatnonzero(self.levels.bits)
        return float(self._doubts(wide).sum()) if len(wide) else 0.0

    def _doubts(self, chosen: Integers) -> NDArray[np.float64]:
        mated = self.levels.mated[chosen] / self.mated
        return mated * (self.levels.nonmated[chosen] / self.nonmated) / 2

    # -- operating points

    def key_point(self, wanted: float) -> KeyPoint:
        """The least threshold whose FPR is at most the wanted one."""
        at = self.key_level(wanted)
        return KeyPoint(
            wanted=wanted,
            false_matches=int(self._false[at + 1]),
            true_matches=int(self._true[at + 1]),
            threshold=self._just_above(at),
            supported=_decimal(wanted) * self.nonmated >= EXPECTED_FALSE_MATCHES,
        )

    def key_level(self, wanted: float) -> int:
        """The level of the non-mated score that must not be accepted any more: the (allowed + 1)-th largest."""
        allowed = int(_decimal(wanted) * self.nonmated)
        return bisect_left(range(len(self._false)), -allowed, key=lambda at: -int(self._false[at])) - 1

    def _just_above(self, at: int) -> int:
        return int(self.levels.starts[at]) + (1 << int(self.levels.bits[at]))

    def equal_error_rate(self) -> EqualErrorRate:
        """Where FMR and FNMR cross, by the rule of FVC2000 (Maio et al., 2002).

        Of the two neighbouring thresholds between which FMR - FNMR changes its sign, the one with the smaller sum of
        both is taken; its two rates are low and high, the rate is their mean.
        """
        at = self.crossing()
        before, after = self._rates(at), self._rates(at + 1)
        if sum(before) <= sum(after):
            low, high, threshold = before[1], before[0], int(self.levels.starts[at])
        else:
            low, high, threshold = after[0], after[1], self._just_above(at)
        return EqualErrorRate(float((low + high) / 2), float(low), float(high), threshold)

    def _rates(self, at: int) -> tuple[Fraction, Fraction]:
        missed = self.mated - int(self._true[at])
        return Fraction(int(self._false[at]), self.nonmated), Fraction(missed, self.mated)

    def crossing(self) -> int:
        """The last level whose start, as a threshold, has FMR >= FNMR."""

        def is_behind(at: int) -> bool:
            fmr, fnmr = self._rates(at)
            return fmr < fnmr

        return bisect_left(range(len(self._false)), True, key=is_behind) - 1

    # -- what is not known yet

    def open_levels(self, wanted: Sequence[float]) -> Integers:
        """Wide levels that must be resolved: those with a threshold in them, and those that blur the area too much."""
        at = {self.crossing(), *(self.key_level(rate) for rate in wanted)}
        exact = sorted(level for level in at if self.levels.bits[level])
        return np.union1d(np.array(exact, np.int64), self._blurred()).astype(np.int64)

    def _blurred(self) -> Integers:
        wide = np.flatnonzero(self.levels.bits)
        doubts = self._doubts(wide)
        if doubts.sum() <= AUC_BOUND:
            return np.empty(0, np.int64)
        order = np.argsort(doubts, kind="stable")
        return wide[order[np.cumsum(doubts[order]) > AUC_BOUND / 4]]

    # -- curve

    def curve(self) -> Curve:
        """See CurveBuilder."""
        builder = CurveBuilder(mated=self.mated, nonmated=self.nonmated)
        for part in reversed(list(_chunks(len(self.levels.starts)))):
            builder.add(self.levels.starts[part], self.levels.mated[part], self.levels.nonmated[part])
        return builder.curve()


def _from_the_end(counts: NDArray[np.integer], total: int) -> NDArray[np.integer]:
    """(k + 1,): counts in the levels from i on."""
    found: NDArray[np.integer] = np.zeros(len(counts) + 1, np.int32 if total < 2**31 else np.int64)
    np.cumsum(counts[::-1], out=found[:-1][::-1])
    return found


def _dot(counts: NDArray[np.integer], *others: NDArray[np.integer]) -> int:
    """sum of counts * (sum of others), in whole numbers of any size."""
    wide, total = counts.astype(np.int64), sum(other.astype(np.int64) for other in others)
    assert isinstance(total, np.ndarray)  # noqa: S101  there are others
    largest = int(total.max(initial=0)) * int(wide.sum())
    if largest < 2**63:
        return int(wide @ total)
    return int(wide.astype(object) @ total.astype(object))


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, _CHUNK):
        yield slice(start, min(start + _CHUNK, count))


def _decimal(value: float) -> Fraction:
    """The number as people write it: 0.3 means three tenths, not the nearest binary fraction."""
    return Fraction(repr(value))


def score_histograms(levels: Levels) -> Integers:
    """(2, 256) non-mated and mated pairs by score; the outermost bins take what lies beyond.

    Unlisted pairs have no score.
    """
    listed = levels.starts > UNLISTED
    at = np.clip((levels.starts[listed] >> HISTOGRAM_BITS) + HISTOGRAM_SIDE, 0, 2 * HISTOGRAM_SIDE - 1)
    found = np.zeros((2, 2 * HISTOGRAM_SIDE), np.int64)
    for counts, pairs in zip(found, (levels.nonmated, levels.mated), strict=True):
        np.add.at(counts, at, pairs[listed].astype(np.int64))
    return found


def histogram_edges() -> NDArray[np.float64]:
    """(257,) cosines."""
    return np.arange(-HISTOGRAM_SIDE, HISTOGRAM_SIDE + 1) / HISTOGRAM_SIDE


def hit_counts(better: Integers, scores: NDArray[np.float64], *, least: float, limit: int) -> Integers:
    """(limit,): of how many probes a mate with score >= least is among the 1, 2, ... limit most similar objects.

    better (n,): how many objects beat the probe's best mate; scores (n,) of that mate, inf of probes without one.
    """
    hits = better[(scores >= least) & np.isfinite(scores)]
    return np.cumsum(np.bincount(hits[hits < limit], minlength=limit)).astype(np.int64)

"""Confidence intervals of error rates by resampling people.

The pairs of a person stand and fall together, so people, not pairs, are what is drawn (ISO/IEC 19795-1; Bolle, Ratha,
Pankanti, Error analysis of pattern recognition systems: the subsets bootstrap, 2004). The plain percentile interval of
a small rate is too short on its upper side; the studentised one (bootstrap-t: Efron, Tibshirani, An Introduction to
the Bootstrap, chapter 12) covers the truth as often as it says.
"""

import numpy as np
from numpy.typing import NDArray

from workers.numeric.scores import Check

RESAMPLES = 2000
CONFIDENCE = 0.95
_EXACT_BITS = 52


def miss_intervals(
    misses: NDArray[np.int64], mated: NDArray[np.int64], *, seed: int, memory: int, check: Check
) -> NDArray[np.float64]:
    """(k, 2) bounds of the rate sum(misses) / sum(mated) for each of k thresholds; NaN with fewer than two people.

    misses (p, k), mated (p,): mated pairs missed and all of them, by person; people without mated pairs say nothing.
    Resamples without any miss, or without any match, have no spread and are left out. Where nobody missed anything
    the upper bound is that of a binomial of one trial a person (Clopper, Pearson), which is on the safe side.
    """
    misses, mated = misses[mated > 0], mated[mated > 0]
    if len(mated) < 2:  # one person has no spread
        return np.full((misses.shape[1], 2), np.nan)
    sums = _columns(misses, mated).sum(axis=0)[None]
    (rate,), (error,) = _rates(sums, people=len(mated))
    drawn_rate, drawn_error = _draw(misses, mated, seed=seed, memory=memory, check=check)
    found = np.empty((misses.shape[1], 2))
    for at in range(misses.shape[1]):
        with np.errstate(divide="ignore", invalid="ignore"):
            deviations = (drawn_rate[:, at] - rate[at]) / drawn_error[:, at]
        found[at] = _bounds(rate[at], error[at], deviations[drawn_error[:, at] > 0], len(mated))
    return found


def _bounds(rate: float, error: float, deviations: NDArray[np.float64], people: int) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    most = 1 - tail ** (1 / people)
    if rate == 0:
        return 0.0, most
    if rate == 1:
        return 1 - most, 1.0
    if not error or not len(deviations):
        return float(rate), float(rate)
    low, high = np.quantile(deviations, [tail, 1 - tail])
    return max(0.0, float(rate - high * error)), min(1.0, float(rate - low * error))


def _rates(sums: NDArray[np.float64], *, people: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(r, k) rates and standard errors of r rows of sums of `_columns`.

    The error is that of a ratio of sums, linearised (Cochran, Sampling Techniques, chapter 6).
    """
    kinds = (sums.shape[1] - 2) // 3
    misses, squares, products = (sums[:, kinds * at : kinds * (at + 1)] for at in range(3))
    mated, mated_squares = sums[:, -2:-1], sums[:, -1:]
    rate = misses / mated
    spread = squares - 2 * rate * products + rate * rate * mated_squares
    error = np.sqrt(np.maximum(spread, 0) * (people / (people - 1))) / mated
    error[error < 1e-7 * rate] = 0.0  # all people alike: what is left is rounding
    return rate, error


def _draw(
    misses: NDArray[np.int64], mated: NDArray[np.int64], *, seed: int, memory: int, check: Check
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(RESAMPLES, k) rates and errors of as many people, drawn with replacement."""
    random = np.random.default_rng(seed)
    people = len(mated)
    columns = _columns(misses, mated)
    size = max(1, min(RESAMPLES, memory // (people * 40)))
    rates, errors = [], []
    for start in range(0, RESAMPLES, size):
        check()
        count = min(size, RESAMPLES - start)
        drawn = random.integers(0, people, (count, people)) + people * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * people).reshape(count, people)
        rate, error = _rates(weights.astype(np.float64) @ columns, people=people)
        rates.append(rate)
        errors.append(error)
    return np.concatenate(rates), np.concatenate(errors)


def _columns(misses: NDArray[np.int64], mated: NDArray[np.int64]) -> NDArray[np.float64]:
    """(p, 3 k + 2): misses, their squares, misses times pairs, pairs, their squares, by person.

    They lie on grids so coarse that every sum of p of them is exact, in any order.
    """
    some, all_of_them = misses.astype(np.float64), mated.astype(np.float64)[:, None]
    parts = [some, some * some, some * all_of_them, all_of_them, all_of_them * all_of_them]
    return np.concatenate([_on_grid(part) for part in parts], axis=1)


def _on_grid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = float(values.max(initial=0.0)) * len(values)
    step = 2.0 ** max(0, int(np.frexp(largest)[1]) - _EXACT_BITS)
    return np.rint(values / step) * step

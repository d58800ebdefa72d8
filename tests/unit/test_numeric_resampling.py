"""Intervals of error rates: what they cover, and their edges."""

import numpy as np
import pytest

from workers.numeric.resampling import RESAMPLES, miss_intervals

MEMORY = 2**27


def nothing() -> None:
    """No check."""


def intervals(misses, mated, *, seed: int = 1, memory: int = MEMORY) -> np.ndarray:
    misses, mated = np.asarray(misses, np.int64), np.asarray(mated, np.int64)
    return miss_intervals(misses, mated, seed=seed, memory=memory, check=nothing)


def simulated_people(random: np.random.Generator, people: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """People with 2 to 10 images whose own rates differ: misses (p, 1) and mated pairs (p,)."""
    images = random.integers(2, 11, people)
    mated = images * (images - 1) // 2
    own = random.beta(rate * 3, (1 - rate) * 3, people)
    return random.binomial(mated, own)[:, None], mated


@pytest.mark.parametrize(("people", "rate"), [(30, 0.1), (60, 0.1), (200, 0.05)])
def test_the_interval_covers_the_truth_in_92_to_98_of_100_simulated_sets(people, rate):
    random = np.random.default_rng(people)
    covered = 0
    for number in range(500):
        ((low, high),) = intervals(*simulated_people(random, people, rate), seed=number)
        covered += low <= rate <= high

    assert 0.92 <= covered / 500 <= 0.98


def test_resampling_pairs_instead_would_cover_far_too_little():
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(500):
        misses, mated = simulated_people(random, 100, 0.1)
        drawn = random.binomial(mated.sum(), misses.sum() / mated.sum(), RESAMPLES) / mated.sum()
        low, high = np.quantile(drawn, [0.025, 0.975])
        covered += low <= 0.1 <= high

    assert covered / 500 < 0.75


def test_thresholds_do_not_disturb_each_other():
    random = np.random.default_rng(2)
    misses, mated = simulated_people(random, 50, 0.2)
    other = random.binomial(mated, 0.5)[:, None]

    both = intervals(np.hstack([misses, other]), mated)

    assert (both == np.vstack([intervals(misses, mated), intervals(other, mated)])).all()


@pytest.mark.parametrize("memory", [1, 10_000, 2**30])
def test_the_memory_changes_nothing(memory):
    misses, mated = simulated_people(np.random.default_rng(3), 40, 0.2)

    assert (intervals(misses, mated, memory=memory) == intervals(misses, mated)).all()


def test_large_counts_are_summed_without_overflow():
    misses, mated = simulated_people(np.random.default_rng(3), 40, 0.2)

    found = intervals(misses * 10**8, mated * 10**8)

    assert np.allclose(found, intervals(misses, mated), rtol=1e-9)


def test_people_without_mated_pairs_say_nothing():
    misses, mated = simulated_people(np.random.default_rng(4), 40, 0.2)

    found = intervals(np.vstack([misses, [[0]] * 100]), np.concatenate([mated, [0] * 100]))

    assert (found == intervals(misses, mated)).all()


@pytest.mark.parametrize("people", [0, 1])
def test_fewer_than_two_people_have_no_interval(people):
    assert np.isnan(intervals(np.ones((people, 2)), np.full(people, 3))).all()


def test_no_miss_at_all_leaves_the_bound_of_one_trial_a_person():
    ((low, high),) = intervals(np.zeros((50, 1)), np.full(50, 10))

    assert low == 0
    assert 1 - (1 - high) ** 50 == pytest.approx(0.975)


def test_nothing_but_misses_mirrors_it():
    ((low, high),) = intervals(np.full((50, 1), 10), np.full(50, 10))

    assert high == 1
    assert low**50 == pytest.approx(0.025)


def test_people_who_are_all_alike_have_no_spread():
    ((low, high),) = intervals(np.full((20, 1), 3), np.full(20, 10))

    assert low == high == 0.3


def test_one_who_misses_leaves_an_interval_within_0_and_1_around_the_rate():
    misses = np.zeros((30, 1))
    misses[4] = 2

    ((low, high),) = intervals(misses, np.full(30, 6))

    assert 0 <= low <= 2 / 180 <= high <= 1

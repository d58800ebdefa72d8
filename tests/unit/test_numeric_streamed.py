"""ROC figures in a stream against those of all scores at once."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.numeric import curve, pairs, roc
from workers.numeric.streamed import Streamed, falling_levels

WANTED = [0.999, 0.5, 0.1, 0.01, 1e-6]


def nothing() -> None:
    """No check."""


def random_keys(seed: int, count: int, *, kinds: int = 0) -> np.ndarray:
    """Keys of pairs; of few scores when there must be ties."""
    random = np.random.default_rng(seed)
    mated = random.random(count) < 0.3
    mated[:2] = True, False
    scores = random.normal(mated * 0.4, 0.2).clip(-1, 1)
    if kinds:
        scores = np.round(scores * kinds) / kinds
    return pairs.keys(pairs.units(scores), mated)


def split_up(keys: np.ndarray, parts: int, seed: int) -> list[np.ndarray]:
    """Sorted runs of random lengths."""
    place = np.random.default_rng(seed).integers(0, parts, len(keys))
    return [np.sort(keys[place == part]) for part in range(parts)]


def streamed(runs: list[np.ndarray], size: int) -> Streamed:
    mated = sum(int((keys & 1).sum()) for keys in runs)
    chunks = falling_levels([lambda keys=keys: keys for keys in runs], size, check=nothing)
    return Streamed(chunks, WANTED, mated=mated, nonmated=sum(map(len, runs)) - mated)


def assert_same(found: Streamed, levels: roc.Levels) -> None:
    expected = roc.Evaluation(levels)
    assert (found.histograms == roc.score_histograms(levels)).all()
    assert found.area() == expected.area()
    assert found.area_bound() == 0
    assert found.equal_error_rate() == expected.equal_error_rate()
    assert [found.key_point(rate) for rate in WANTED] == [expected.key_point(rate) for rate in WANTED]
    mine, other = found.curve(), expected.curve()
    assert (mine.false_matches == other.false_matches).all()
    assert (mine.true_matches == other.true_matches).all()
    assert (mine.thresholds == other.thresholds).all()


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 50, 400]), st.sampled_from([0, 1, 4, 64]),
       st.sampled_from([1, 2, 7]), st.sampled_from([1, 5, 100, 10**6]))  # fmt: skip
def test_a_stream_gives_what_all_scores_give(seed, count, kinds, parts, size):
    keys = random_keys(seed, count, kinds=kinds)

    found = streamed(split_up(keys, parts, seed), size)

    assert_same(found, roc.levels_of_keys(np.sort(keys)))


@pytest.mark.parametrize("size", [3000, 10**6])
def test_the_points_of_a_long_curve_do_not_depend_on_the_pieces(size):
    keys = random_keys(1, 200_000)

    found = streamed(split_up(keys, 3, 1), size)

    levels = roc.levels_of_keys(np.sort(keys))
    assert 3000 < len(roc.Evaluation(levels).curve().thresholds) < curve.MOST_POINTS
    assert_same(found, levels)


@pytest.mark.parametrize("kinds", [0, 1])
def test_levels_come_in_pieces_that_fall(kinds):
    keys = random_keys(2, 5000, kinds=kinds)

    pieces = list(falling_levels([lambda: np.sort(keys)], 100, check=nothing))

    starts = np.concatenate([piece.starts for piece in reversed(pieces)])
    assert (np.diff(starts) > 0).all()
    assert max(len(piece.starts) for piece in pieces) <= 100
    assert sum(int(piece.mated.sum() + piece.nonmated.sum()) for piece in pieces) == 5000


@pytest.mark.parametrize("mated", [0, 1])
def test_one_class_alone_has_histograms_only(mated):
    keys = np.sort(random_keys(3, 300) & ~1) | mated

    found = streamed([keys], 100)

    assert found.histograms.sum(axis=1).tolist() == [300 * (1 - mated), 300 * mated]
    with pytest.raises(ValueError):
        found.equal_error_rate()


@pytest.mark.parametrize("kinds", [0, 1])
def test_memory_does_not_grow_with_the_pairs(tmp_path: Path, kinds):
    keys = random_keys(4, 2_000_000, kinds=kinds)
    runs = [tmp_path / f"{part}.npy" for part in range(3)]
    for path, some in zip(runs, split_up(keys, 3, 4), strict=True):
        np.save(path, some)
    mated = int((keys & 1).sum())
    opened = [lambda path=path: np.load(path, mmap_mode="r") for path in runs]

    tracemalloc.start()
    try:
        found = Streamed(falling_levels(opened, 2**14, check=nothing), WANTED, mated=mated, nonmated=2_000_000 - mated)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert 0.6 < found.area() < 1
    assert peak < 6 * 2**20, f"{peak / 2**20:.1f} MiB; the scores are 15"

"""Descriptors: the grid, exact scores, similarity and its inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunatasks.luna_services.descriptors import (
    GRID,
    SFACE,
    from_bytes,
    normalise,
    score_above,
    similarity,
    to_bytes,
)


def random_rows(count: int, seed: int = 0) -> np.ndarray:
    return normalise(np.random.default_rng(seed).standard_normal((count, SFACE.dimension)))


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_rows_have_unit_length_and_lie_on_the_grid(count):
    rows = random_rows(count)

    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows.astype(np.float64), axis=1), 1, atol=1e-6)
    assert (rows.astype(np.float64) * GRID == np.rint(rows.astype(np.float64) * GRID)).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_stored_row_is_normalised_to_itself(seed):
    rows = random_rows(500, seed)

    assert (normalise(rows) == rows).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.uint8])
def test_any_type_of_number_is_normalised(dtype):
    rows = np.arange(1, 257).reshape(2, 128).astype(dtype)

    expected = rows.astype(float) / np.linalg.norm(rows.astype(float), axis=1, keepdims=True)
    assert np.allclose(normalise(rows), expected, atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_a_row_that_is_not_finite_is_refused(bad):
    rows = np.ones((3, 128))
    rows[1, 5] = bad

    with pytest.raises(ValueError):
        normalise(rows)


def test_a_row_of_zeros_is_refused():
    with pytest.raises(ValueError):
        normalise(np.zeros((1, 128)))


def test_a_score_is_the_same_in_any_order_of_its_terms():
    left, right = random_rows(200, seed=1).astype(np.float64), random_rows(200, seed=2).astype(np.float64)
    order = np.random.default_rng(3).permutation(128)

    straight = left @ right.T
    shuffled = np.ascontiguousarray(left[:, order]) @ np.ascontiguousarray(right[:, order]).T
    one_by_one = np.array([sum(a * b for a, b in zip(left[0], row, strict=True)) for row in right])

    assert (straight == shuffled).all()
    assert (straight[0] == one_by_one).all()


def test_bytes_and_rows_go_both_ways():
    rows = random_rows(3)

    again = from_bytes([to_bytes(row) for row in rows], 128)

    assert (again == rows).all()
    assert to_bytes(np.array([1.0], dtype=">f4")) == b"\x00\x00\x80\x3f"


def test_bytes_of_another_length_are_refused():
    with pytest.raises(ValueError):
        from_bytes([b"\x00" * 8], 128)


def test_similarity_is_a_half_at_the_middle_and_grows():
    scores = np.linspace(-1, 1, 101)
    values = [similarity(score, SFACE) for score in scores]

    assert similarity(SFACE.middle, SFACE) == 0.5
    assert values == sorted(values)
    assert values[0] >= 0
    assert values[-1] <= 1


@given(st.floats(0, 1), st.integers(-(2**52), 2**52))
def test_scores_and_similarities_agree_about_a_threshold(threshold, units):
    score = units * 2.0**-52

    assert (similarity(score, SFACE) > threshold) == (score >= score_above(threshold, SFACE))

"""Matching and clustering of arrays against slow, obvious versions of the same."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunatasks.luna_services.descriptors import normalise
from workers.numeric import clustering, matching, scores

MEMORIES = (1, 4096, 2**20, 2**28)


def nothing() -> None:
    """No check."""


def rows_with_ties(count: int, *, seed: int = 0, dimension: int = 8, kinds: int = 0) -> np.ndarray:
    """Vectors of which many are equal when there are fewer kinds than vectors."""
    random = np.random.default_rng(seed)
    if not count:
        return np.empty((0, dimension), np.float32)
    pool = normalise(random.standard_normal((kinds or count, dimension)))
    return pool[random.integers(0, len(pool), count)]


def exact(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return rows.astype(np.float64) @ columns.astype(np.float64).T


def obvious_best(rows, columns, limit, best, itself=None) -> list[tuple[int, int, float]]:
    found = []
    for row, line in enumerate(exact(rows, columns)):
        hits = [(-score, column) for column, score in enumerate(line) if score >= limit]
        if itself is not None:
            hits = [hit for hit in hits if hit[1] != itself[row]]
        found += [(row, column, -score) for score, column in sorted(hits)[:best]]
    return found


def as_tuples(found: matching.Best) -> list[tuple[int, int, float]]:
    return list(zip(found.objects.tolist(), found.neighbours.tolist(), found.scores.tolist(), strict=True))


def all_matches(rows, columns, **named) -> list[tuple[int, int, float]]:
    return [
        entry for found in matching.best_matches(rows, columns, check=nothing, **named) for entry in as_tuples(found)
    ]


sizes = st.integers(0, 12) | st.sampled_from([0, 1, 2, 40])


@settings(deadline=None)
@given(
    sizes, sizes, st.integers(0, 10**6), st.sampled_from([-2.0, 0.0, 0.5, 1.5]), st.integers(1, 50),
    st.sampled_from(MEMORIES), st.sampled_from([0, 1, 3]),
)  # fmt: skip
def test_best_matches_are_those_of_a_full_sort(count, others, seed, limit, best, memory, kinds):
    rows, columns = rows_with_ties(count, seed=seed, kinds=kinds), rows_with_ties(others, seed=seed + 1, kinds=kinds)

    found = all_matches(rows, columns, limit=limit, best=best, memory=memory)

    assert found == obvious_best(rows, columns, limit, best)


@pytest.mark.parametrize("best", [1, 2, 5, 299, 300, 1000])
@pytest.mark.parametrize("limit", [-2.0, 0.0, 0.3])
def test_no_row_finds_itself(best, limit):
    rows = rows_with_ties(300, dimension=32, kinds=250)
    itself = np.random.default_rng(1).permutation(300)

    found = all_matches(rows, rows, limit=limit, best=best, memory=2**16, itself=itself)

    assert found == obvious_best(rows, rows, limit, best, itself)


def test_scores_between_the_bounds_of_single_precision_are_decided_exactly():
    # neighbours so alike that single precision cannot order them
    random = np.random.default_rng(3)
    centre = random.standard_normal(128)
    columns = normalise(centre + 1e-6 * random.standard_normal((500, 128)))
    rows = normalise(centre[None])
    single = (rows @ columns.T)[0]

    found = all_matches(rows, columns, limit=-1, best=20, memory=2**20)

    assert found == obvious_best(rows, columns, -1, 20)
    assert np.argsort(-single, kind="stable")[:20].tolist() != [column for _, column, _ in found]


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 600))
def test_a_single_precision_score_is_within_its_bound(seed, dimension):
    random = np.random.default_rng(seed)
    rows = normalise(random.standard_normal((20, dimension)) * random.exponential(size=(20, dimension)) + 0.01)
    bound = scores.error_bound(dimension, scores.longest(rows), scores.longest(rows))

    assert np.abs((rows @ rows.T).astype(np.float64) - exact(rows, rows)).max() <= bound


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(0, 50), st.sampled_from([1, 64, 640, 10**4]))
def test_blocks_cover_every_pair_once(rows, columns, memory):
    covered = np.zeros((rows, columns), int)

    for row, column in scores.blocks(rows, columns, memory=memory):
        covered[row, column] += 1

    assert (covered == 1).all()


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 50))
def test_tiles_cover_every_pair_of_the_upper_half_once(count, side):
    covered = np.zeros((count, count), int)

    for row, row_stop, column, column_stop in clustering.tiles(count, side):
        covered[row:row_stop, column:column_stop] += 1

    assert (covered[np.triu_indices(count)] == 1).all()


def obvious_labels(vectors: np.ndarray, limit: float) -> list[int]:
    """Flood fill: the smallest object of each one's component."""
    near = exact(vectors, vectors) >= limit if len(vectors) else np.empty((0, 0))
    labels = [-1] * len(vectors)
    for seed in range(len(vectors)):
        frontier = [seed] if labels[seed] < 0 else []
        while frontier:
            at = frontier.pop()
            labels[at] = seed
            frontier += [other for other in np.flatnonzero(near[at]) if labels[other] < 0]
    return labels


def smallest(labels: np.ndarray) -> list[int]:
    _, first, label = np.unique(labels, return_index=True, return_inverse=True)
    return first[label].tolist()


@settings(deadline=None)
@given(
    st.sampled_from([0, 1, 2, 3, 30]), st.integers(0, 10**6), st.sampled_from([-2.0, 0.0, 0.6, 0.9, 1.5]),
    st.sampled_from([1, 2, 7, 100]), st.sampled_from(MEMORIES), st.sampled_from([0, 4]),
)  # fmt: skip
def test_forests_of_tiles_join_what_a_flood_fill_joins(count, seed, limit, side, memory, kinds):
    vectors = rows_with_ties(count, seed=seed, kinds=kinds)

    forests = [
        clustering.tile_forest(vectors, tile, limit=limit, memory=memory, check=nothing)
        for tile in clustering.tiles(count, side)
    ]

    edges = np.concatenate([np.empty((0, 2), np.int64), *forests])
    assert smallest(clustering.components(count, edges)) == obvious_labels(vectors, limit)
    assert all(len(forest) < 2 * side for forest in forests)


def test_an_edge_exactly_at_the_limit_is_an_edge():
    vectors = rows_with_ties(60, dimension=128)
    every = np.unique(exact(vectors, vectors)[np.triu_indices(60, 1)])

    for limit in every[::50]:
        forest = clustering.tile_forest(vectors, (0, 60, 0, 60), limit=limit, memory=2**20, check=nothing)
        assert smallest(clustering.components(60, forest)) == obvious_labels(vectors, limit)


@settings(deadline=None)
@given(
    st.sampled_from([0, 1, 2, 25]), st.integers(0, 10**6), st.sampled_from([-2.0, 0.0, 0.6]),
    st.sampled_from([1, 2, 30]), st.sampled_from([1, 3, 8, 100]), st.sampled_from(MEMORIES), st.sampled_from([0, 3]),
)  # fmt: skip
def test_best_neighbours_of_tiles_are_those_of_a_full_sort(count, seed, limit, best, side, memory, kinds):
    vectors = rows_with_ties(count, seed=seed, kinds=kinds)

    lists = [
        clustering.tile_best(vectors, tile, limit=limit, best=best, memory=memory, check=nothing)
        for tile in clustering.tiles(count, side)
    ]

    found = clustering.keep_best([clustering.NO_NEIGHBOURS, *lists], best)
    assert as_tuples(found) == obvious_best(vectors, vectors, limit, best, np.arange(count))


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=30))
def test_groups_are_larger_first_then_by_their_smallest_object(labels):
    members = {label: [at for at, other in enumerate(labels) if other == label] for label in labels}
    expected = sorted(members.values(), key=lambda group: (-len(group), group[0]))

    order, bounds = clustering.groups(np.array(labels, np.int64))

    assert [order[a:b].tolist() for a, b in pairwise(bounds)] == expected

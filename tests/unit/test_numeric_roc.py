"""ROC figures of arrays against scikit-learn and slow, obvious versions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc, roc_curve

from lunatasks.luna_services.descriptors import normalise
from workers.numeric import clustering, pairs, roc
from workers.numeric import curve as curves
from workers.numeric.pairs import UNIT, Marked

MEMORIES = (1, 2**12, 2**28)


def nothing() -> None:
    """No check."""


def marked_people(count: int, *, people: int = 5, seed: int = 0, kinds: int = 0, dimension: int = 16) -> Marked:
    """Objects of people; of few kinds of vectors when there must be ties."""
    random = np.random.default_rng(seed)
    persons = np.sort(random.integers(0, max(people, 1), count))
    persons = np.unique(persons, return_inverse=True)[1].astype(np.int64)
    centres = random.standard_normal((people + 1, dimension))
    vectors = normalise(centres[persons] + random.standard_normal((count, dimension)))
    if kinds and count:
        vectors = vectors[random.integers(0, min(kinds, count), count)]
    return Marked(vectors, persons, random.permutation(count).astype(np.int64))


def all_pairs(marked: Marked) -> tuple[np.ndarray, np.ndarray]:
    """Scores and classes of every pair, one after the other."""
    wide = marked.vectors.astype(np.float64)
    found = [
        (float(wide[i] @ wide[j]), marked.persons[i] == marked.persons[j])
        for i in range(len(wide))
        for j in range(i + 1, len(wide))
    ]
    return np.array([score for score, _ in found]), np.array([mated for _, mated in found], bool)


def through(marked: Marked, sink, *, side: int = 7, memory: int = 2**28):
    """The sink after it was given all pairs, tile by tile."""
    for tile in clustering.tiles(len(marked.persons), side):
        pairs.add_tile(marked, tile, sink, memory=memory, check=nothing)
    return sink


def sorted_keys(marked: Marked, **through_options) -> np.ndarray:
    """The keys of all pairs."""
    sink = through(marked, pairs.Everything(np.empty(len(marked.persons) * (len(marked.persons) - 1) // 2, np.int64)),
                   **through_options)  # fmt: skip
    sink.sort()
    return sink.keys


def exact_levels(scores: np.ndarray, mated: np.ndarray) -> roc.Levels:
    return roc.levels_of_keys(np.sort(pairs.keys(pairs.units(scores), mated)))


def random_levels(seed: int, count: int = 400, *, ties: bool = True) -> tuple[np.ndarray, np.ndarray, roc.Levels]:
    random = np.random.default_rng(seed)
    mated = random.random(count) < 0.3
    mated[:2] = True, False
    scores = random.normal(mated * 0.4, 0.2).clip(-1, 1)
    scores = np.round(scores * 32) / 32 if ties else np.round(scores / UNIT) * UNIT
    return scores, mated, exact_levels(scores, mated)


# -- passes over pairs -------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.sampled_from([0, 1, 2, 25]), st.integers(0, 10**6), st.sampled_from([1, 4, 100]),
       st.sampled_from(MEMORIES), st.sampled_from([0, 3]))  # fmt: skip
def test_every_pair_comes_once_with_its_class(count, seed, side, memory, kinds):
    marked = marked_people(count, seed=seed, kinds=kinds)
    scores, mated = all_pairs(marked)

    found = sorted_keys(marked, side=side, memory=memory)
    counts = through(marked, pairs.Histogram(), side=side, memory=memory).counts

    assert (found == np.sort(pairs.keys(pairs.units(scores), mated))).all()
    assert counts.sum(axis=1).tolist() == [np.count_nonzero(~mated), np.count_nonzero(mated)]
    for kind in (0, 1):
        expected = np.bincount(pairs.bins(scores[mated == kind]), minlength=pairs.BINS)
        assert (counts[kind] == expected).all()


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_pairs_of_a_tile_are_those_above_the_diagonal(row_start, row_stop, column_start, column_stop):
    expected = sum(row < column for row in range(row_start, row_stop) for column in range(column_start, column_stop))

    assert pairs.pairs_of_tile((row_start, row_stop, column_start, column_stop)) == expected


@given(st.integers(-(2**52), 2**52))
def test_the_bin_of_a_score_is_its_units_shifted(units):
    assert pairs.bins(np.array([units * UNIT]))[0] == (units >> pairs.BIN_BITS) + pairs.BINS_A_SIDE


def test_vectors_that_are_not_normalised_are_refused():
    marked = marked_people(3)

    with pytest.raises(ValueError):
        Marked(marked.vectors * 2, marked.persons, marked.ranks).check_lengths()


def obvious_ranks(marked: Marked) -> tuple[list[int], list[int]]:
    """Best mate of each object, and its place among all others, by sorting them all."""
    wide = marked.vectors.astype(np.float64)
    mates, places = [], []
    for probe in range(len(wide)):
        others = [other for other in range(len(wide)) if other != probe]
        others.sort(key=lambda other: (-float(wide[probe] @ wide[other]), marked.ranks[other]))
        own = [place for place, other in enumerate(others) if marked.persons[other] == marked.persons[probe]]
        mates.append(others[own[0]] if own else pairs.NOBODY)
        places.append(own[0] if own else 0)
    return mates, places


@settings(deadline=None)
@given(st.sampled_from([0, 1, 2, 20]), st.integers(0, 10**6), st.sampled_from([1, 3, 100]), st.sampled_from([0, 1, 4]),
       st.sampled_from([1, 5, 20]), st.integers(1, 200))  # fmt: skip
def test_the_place_of_the_best_mate_is_that_of_a_full_sort(count, seed, side, kinds, people, cost):
    marked = marked_people(count, seed=seed, kinds=kinds, people=people)
    mates, bars = np.empty(count, np.int64), np.empty(count)
    for start, stop in pairs.mated_ranges(marked.persons, pairs=cost):
        mates[start:stop], bars[start:stop] = pairs.best_mates(marked, start, stop, check=nothing)
    better, sink = np.zeros(count, np.int64), pairs.Histogram()
    for tile in clustering.tiles(count, side):
        near, far = pairs.count_better(marked, tile, mates, bars, sink, memory=2**16, check=nothing)
        better[tile[0] : tile[1]] += near
        better[tile[2] : tile[3]] += far

    expected = obvious_ranks(marked)

    assert mates.tolist() == expected[0]
    assert better.tolist() == expected[1]


@pytest.mark.parametrize("people", [1, 3, 400])
def test_best_mates_of_large_and_of_many_people(people, monkeypatch):
    monkeypatch.setattr(pairs, "MATE_COLUMNS", 50)
    marked = marked_people(400, people=people, kinds=200)

    mates, _ = pairs.best_mates(marked, 0, 400, check=nothing)

    assert mates.tolist() == obvious_ranks(marked)[0]


@settings(deadline=None)
@given(st.sampled_from([1, 2, 30]), st.integers(0, 10**6), st.integers(0, 5), st.integers(1, 300))
def test_misses_are_counted_by_person(count, seed, kinds, cost):
    marked = marked_people(count, seed=seed, kinds=kinds)
    scores, mated = all_pairs(marked)
    person = np.array([marked.persons[i] for i in range(count) for _ in range(i + 1, count)], np.int64)
    thresholds = np.unique(np.concatenate([[-1.0, 0.1, 1.01], scores[:3]]))
    expected = [[np.count_nonzero(mated & (person == one) & (scores < t)) for t in thresholds]
                for one in range(marked.persons[-1] + 1)]  # fmt: skip

    found = np.zeros((marked.persons[-1] + 1, len(thresholds)), np.int64)
    for start, stop in pairs.mated_ranges(marked.persons, pairs=cost):
        part = pairs.misses(marked, start, stop, thresholds=thresholds, check=nothing)
        first = marked.persons[start]
        found[first : first + len(part)] += part

    assert found.tolist() == expected


@given(st.integers(0, 200), st.integers(1, 1000))
def test_ranges_follow_each_other(count, cost):
    ranges = list(pairs.mated_ranges(marked_people(count).persons, pairs=cost))

    assert [row for start, stop in ranges for row in range(start, stop)] == list(range(count))


# -- figures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_curve_and_area_equal_scikit_learn(seed, ties):
    scores, mated, levels = random_levels(seed, ties=ties)
    fpr, tpr, thresholds = roc_curve(mated, scores)

    evaluation = roc.Evaluation(levels)
    curve = evaluation.curve()

    assert np.abs(curve.false_matches / evaluation.nonmated - fpr).max() <= 1e-12
    assert np.abs(curve.true_matches / evaluation.mated - tpr).max() <= 1e-12
    assert (curve.thresholds * UNIT == thresholds[1:]).all()
    assert abs(evaluation.area() - auc(*roc_curve(mated, scores, drop_intermediate=False)[:2])) <= 1e-12
    assert evaluation.area_bound() == 0


def test_a_curve_of_many_points_is_a_choice_of_the_corners_with_both_ends():
    scores, mated, levels = random_levels(1, 300_000, ties=False)
    fpr, tpr, thresholds = roc_curve(mated, scores)
    evaluation = roc.Evaluation(levels)

    curve = evaluation.curve()

    assert len(fpr) > curves.MOST_POINTS >= len(curve.false_matches) > 3000
    at = np.searchsorted(-thresholds[1:], -curve.thresholds * UNIT) + 1
    assert np.abs(curve.false_matches[1:] / evaluation.nonmated - fpr[at]).max() <= 1e-12
    assert np.abs(curve.true_matches[1:] / evaluation.mated - tpr[at]).max() <= 1e-12
    ends = curve.false_matches[[0, -1]].tolist(), curve.true_matches[[0, -1]].tolist()
    assert ends == ([0, evaluation.nonmated], [0, evaluation.mated])
    thinned = auc(curve.false_matches / evaluation.nonmated, curve.true_matches / evaluation.mated)
    assert abs(thinned - evaluation.area()) < 1e-5


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("wanted", [0.5, 0.1, 0.3, 0.01, 1e-6, 0.999999])
def test_a_key_point_is_the_least_threshold_within_the_wanted_rate(seed, wanted):
    scores, mated, levels = random_levels(seed, ties=seed % 2 == 0)
    candidates = [*(np.unique(scores) + UNIT).tolist(), float(scores.min())]
    nonmated = scores[~mated]
    allowed = int(Fraction(repr(wanted)) * len(nonmated))
    expected = min(t for t in candidates if np.count_nonzero(nonmated >= t) <= allowed)

    point = roc.Evaluation(levels).key_point(wanted)

    assert point.threshold * UNIT == expected
    assert point.false_matches == np.count_nonzero(nonmated >= expected)
    assert point.true_matches == np.count_nonzero(scores[mated] >= expected)
    assert point.supported == (wanted * len(nonmated) >= 30)


def test_three_tenths_of_ten_are_three():
    scores = np.concatenate([np.arange(10) / 16, [0.9]])

    point = roc.Evaluation(exact_levels(scores, scores > 0.8)).key_point(0.3)

    assert point.false_matches == 3


@pytest.mark.parametrize("seed", range(20))
def test_the_equal_error_rate_lies_where_the_rates_cross(seed):
    scores, mated, levels = random_levels(seed, 60)

    def rates(threshold):
        false = Fraction(int(np.count_nonzero(scores[~mated] >= threshold)), int(np.count_nonzero(~mated)))
        return false, Fraction(int(np.count_nonzero(scores[mated] < threshold)), int(np.count_nonzero(mated)))

    found = roc.Evaluation(levels).equal_error_rate()

    states = [(threshold, *rates(threshold)) for threshold in [*np.unique(scores), 9.0]]
    behind = next(at for at, (_, fmr, fnmr) in enumerate(states) if fmr < fnmr)
    before, after = states[behind - 1], states[behind]
    low, high = (before[2], before[1]) if sum(before[1:]) <= sum(after[1:]) else (after[1], after[2])
    assert (found.low, found.high, found.rate) == (float(low), float(high), float((low + high) / 2))
    assert sorted(map(float, rates(found.threshold * UNIT))) == [found.low, found.high]


@pytest.mark.parametrize(("distance", "rate"), [(9.0, 0.0), (0.0, None)])
def test_separated_classes_have_no_error(distance, rate):
    scores = np.array([0.1, 0.2, 0.3, 0.1 + distance / 16, 0.3 + distance / 16])
    scores = np.round(scores / UNIT) * UNIT
    evaluation = roc.Evaluation(exact_levels(scores, np.array([0, 0, 0, 1, 1], bool)))

    if rate is not None:
        assert evaluation.equal_error_rate().rate == rate
        assert evaluation.area() == 1
    assert 0 <= evaluation.equal_error_rate().low <= evaluation.equal_error_rate().high <= 1


def test_one_class_alone_is_refused():
    with pytest.raises(ValueError):
        roc.Evaluation(exact_levels(np.array([0.5, 0.25]), np.array([True, True])))


def test_sums_beyond_64_bits_are_exact():
    large = np.array([2**33, 1, 2**33], np.int64)
    levels = roc.Levels(np.array([-5, 0, 5]), np.zeros(3, np.int8), large, large[::-1].copy())
    mated, nonmated = large.tolist(), large[::-1].tolist()

    expected = sum(
        Fraction(m * n) * (Fraction(1, 2) if i == j else Fraction(int(i > j)))
        for i, m in enumerate(mated)
        for j, n in enumerate(nonmated)
    ) / (sum(mated) * sum(nonmated))

    assert roc.Evaluation(levels).area() == float(expected)


# -- bins and windows --------------------------------------------------------------------------------


def resolved(marked: Marked, wanted: list[float], *, most: int) -> tuple[roc.Levels, int]:
    """Levels as the phases find them, collecting at most so many pairs at once, and the number of phases."""
    levels, phases = roc.levels_of_bins(through(marked, pairs.Histogram()).counts), 0
    while len(chosen := roc.Evaluation(levels).open_levels(wanted)):
        windows = levels.windows(chosen)
        if levels.pairs(chosen) <= most:
            found = roc.levels_of_keys(through(marked, pairs.Collected(windows)).sorted_keys())
        else:
            found = roc.levels_of_parts(windows, through(marked, pairs.Refined(windows)).counts)
        assert found.pairs(np.arange(len(found.starts))) == levels.pairs(chosen)
        levels, phases = roc.replaced(levels, chosen, found), phases + 1
    return levels, phases


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([0, 6]), st.sampled_from([0, 5, 10**6]))
def test_phases_find_the_same_points_as_all_scores(seed, kinds, most):
    marked = marked_people(40, seed=seed, kinds=kinds)
    scores, mated = all_pairs(marked)
    wanted = [0.5, 0.1, 0.02, 1e-4]
    exact = roc.Evaluation(exact_levels(scores, mated))

    evaluation = roc.Evaluation(resolved(marked, wanted, most=most)[0])

    assert [evaluation.key_point(rate) for rate in wanted] == [exact.key_point(rate) for rate in wanted]
    assert evaluation.equal_error_rate() == exact.equal_error_rate()
    assert evaluation.area_bound() <= roc.AUC_BOUND
    assert abs(evaluation.area() - exact.area()) <= evaluation.area_bound() + 1e-15


def test_scores_that_crowd_into_one_bin_are_taken_apart():
    random = np.random.default_rng(1)
    vectors = normalise(1 + 1e-5 * random.standard_normal((60, 16)))
    marked = Marked(vectors, np.sort(random.integers(0, 6, 60)), np.arange(60))
    exact = roc.Evaluation(exact_levels(*all_pairs(marked)))
    assert len(roc.levels_of_bins(through(marked, pairs.Histogram()).counts).starts) < 5

    levels, phases = resolved(marked, [0.1], most=0)

    evaluation = roc.Evaluation(levels)
    assert phases > 1
    assert evaluation.key_point(0.1) == exact.key_point(0.1)
    assert abs(evaluation.area() - exact.area()) <= evaluation.area_bound() <= roc.AUC_BOUND


def test_score_histograms_hold_every_listed_pair():
    scores, mated, levels = random_levels(3)

    found = roc.score_histograms(levels)

    for kind, counts in enumerate(found):
        assert counts.sum() == np.count_nonzero(mated == kind)
        assert (counts == np.histogram(scores[mated == kind], bins=roc.histogram_edges())[0]).all()


def test_hits_need_a_mate_above_the_threshold_within_the_list():
    better = np.array([0, 1, 0, 3, 0])
    scores = np.array([0.9, 0.9, 0.2, 0.9, np.inf])

    assert roc.hit_counts(better, scores, least=0.5, limit=3).tolist() == [1, 2, 2]
    assert roc.hit_counts(better, scores, least=-2, limit=5).tolist() == [2, 3, 3, 4, 4]

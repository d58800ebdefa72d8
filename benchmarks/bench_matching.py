"""Matching: pairs per second of clustering, best matches and ROC, as ratios to the plain versions; peak memory.

Run `python benchmarks/bench_matching.py [--full]`; every row is measured in a process of its own, on one thread.
`--full` adds a whole ROC of 100 000 objects. Where the pairs would take too long a part of them is measured and the
row says how many.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lunatasks.luna_services.descriptors import SFACE, normalise
from workers.numeric import clustering, matching, pairs, resampling, roc
from workers.numeric.pairs import Marked
from workers.numeric.streamed import Streamed, falling_levels, keys_at_once, rows_of_tile

MEMORY = 256 * 2**20
OBJECTS = 100_000
TILE = 4096


def nothing() -> None:
    """No check."""


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call: the machine may be shared."""
    started = time.process_time()
    work()
    return time.process_time() - started


def people(count: int, photos: int, *, seed: int = 1) -> np.ndarray:
    """Vectors of people, person after person."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((count // photos, 1, SFACE.dimension), dtype=np.float32)
    noise = random.standard_normal((count // photos, photos, SFACE.dimension), dtype=np.float32)
    return normalise((centres + noise).reshape(-1, SFACE.dimension))


# -- plain versions ----------------------------------------------------------------------------------


def plain_edges(rows: np.ndarray, columns: np.ndarray, limit: float) -> np.ndarray:
    """Double precision, and numpy's search of a matrix."""
    return np.column_stack(np.nonzero(rows.astype(np.float64) @ columns.astype(np.float64).T >= limit))


def plain_best(rows: np.ndarray, columns: np.ndarray, limit: float, best: int) -> None:
    """Double precision, the best of each row by partition, then sorted."""
    scores = rows.astype(np.float64) @ columns.astype(np.float64).T
    top = np.argpartition(-scores, best, axis=1)[:, :best]
    found = np.take_along_axis(scores, top, axis=1)
    order = np.lexsort((top, -found), axis=1)
    np.take_along_axis(top, order, axis=1)[np.take_along_axis(found, order, axis=1) >= limit]


def single_best(rows: np.ndarray, columns: np.ndarray, best: int) -> None:
    """Single precision alone, as a brute-force index does it: fast, and wrong among close scores."""
    for start in range(0, len(rows), 1024):
        scores = rows[start : start + 1024] @ columns.T
        top = np.argpartition(scores, -best, axis=1)[:, -best:]
        np.take_along_axis(top, np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1), axis=1)


def scikit_best(rows: np.ndarray, columns: np.ndarray, best: int) -> None:
    """scikit-learn's brute-force neighbours."""
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=best, algorithm="brute", metric="euclidean", n_jobs=1).fit(columns)
    index.kneighbors(rows)


# -- rows --------------------------------------------------------------------------------------------


def bench_forest() -> None:
    """A tile of clustering."""
    vectors = people(2 * TILE, 8)
    tile = (0, TILE, TILE, 2 * TILE)
    ours = seconds(
        lambda: clustering.tile_forest(vectors, tile, limit=SFACE.cluster_score, memory=MEMORY, check=nothing)
    )
    peak = memory_mb()
    plain = seconds(lambda: plain_edges(vectors[:TILE], vectors[TILE:], SFACE.cluster_score))
    show("clustering tile", TILE * TILE, ours, {"plain double precision": plain}, peak=peak)


def bench_best(threshold: float, name: str) -> None:
    """Best five of 2048 references among 100 000 candidates."""
    columns, count = people(OBJECTS, 8), 2048
    rows = columns[:: OBJECTS // count][:count]
    ours = seconds(
        lambda: list(matching.best_matches(rows, columns, limit=threshold, best=5, memory=MEMORY, check=nothing))
    )
    peak = memory_mb()
    others = {
        "plain double precision": seconds(lambda: plain_best(rows[:512], columns, threshold, 5)) * count / 512,
        "single precision, inexact": seconds(lambda: single_best(rows, columns, 5)),
        "scikit-learn, inexact": seconds(lambda: scikit_best(rows, columns, 5)),
    }
    show(name, count * OBJECTS, ours, others, peak=peak)


def marked(count: int, photos: int = 10) -> Marked:
    """Objects of a ROC."""
    vectors = people(count, photos)
    persons = np.repeat(np.arange(count // photos), photos)
    return Marked(vectors, persons, np.random.default_rng(2).permutation(len(persons)))


def bench_roc_scores() -> None:
    """The pass over all pairs: ranks of the best mates and histograms, against the same in plain numpy."""
    objects = marked(20_480)
    count = len(objects.persons)
    mates, bars = pairs.best_mates(objects, 0, count, check=nothing)
    tile = (0, count // 2, count // 2, count)
    sink = pairs.Histogram()
    ours = seconds(lambda: pairs.count_better(objects, tile, mates, bars, sink, memory=MEMORY, check=nothing))
    peak = memory_mb()
    plain = seconds(lambda: plain_histogram(objects, bars, 2048)) * (count // 2) ** 2 / 2048**2
    rate = show("ROC, all scores", (count // 2) ** 2, ours, {"plain numpy": plain}, peak=peak)
    print(f"  100 000 objects are 5e9 pairs: {5e9 / rate:.0f} s of one core for this pass (extrapolated)")


def plain_histogram(objects: Marked, bars: np.ndarray, side: int) -> None:
    """np.histogram of a tile, and the ranks."""
    scores = objects.vectors[:side].astype(np.float64) @ objects.vectors[side : 2 * side].astype(np.float64).T
    mated = objects.persons[:side, None] == objects.persons[side : 2 * side]
    for chosen in (mated, ~mated):
        np.histogram(scores[chosen], bins=2**20, range=(-1, 1))
    (scores > bars[:side, None]).sum(axis=1)
    (scores > bars[side : 2 * side]).sum(axis=0)


def bench_roc_windows() -> None:
    """The pass that resolves the bins of six thresholds."""
    objects = marked(20_480)
    count = len(objects.persons)
    histogram = pairs.Histogram()
    pairs.add_tile(objects, (0, count, 0, count), histogram, memory=MEMORY, check=nothing)
    levels = roc.levels_of_bins(histogram.counts)
    chosen = roc.Evaluation(levels).open_levels([0.1, 1e-2, 1e-3, 1e-4, 1e-5])
    sink = pairs.Collected(levels.windows(chosen))
    tile = (0, count // 2, count // 2, count)
    ours = seconds(lambda: pairs.add_tile(objects, tile, sink, memory=MEMORY, check=nothing))
    show("ROC, windows", (count // 2) ** 2, ours, {})


def bench_roc_exact() -> None:
    """All figures of 2e7 pairs that are kept one by one, in tiles as the parts keep them, against scikit-learn."""
    from sklearn.metrics import roc_auc_score, roc_curve

    objects = marked(6_320)
    count = len(objects.persons)
    mated = len(objects.persons) // 10 * 45
    total = count * (count - 1) // 2
    before = memory_mb()

    def figures(folder: Path) -> None:
        runs = [partial(np.load, path, mmap_mode="r") for path in kept_scores(objects, folder)]
        chunks = falling_levels(runs, keys_at_once(MEMORY), check=nothing)
        found = Streamed(chunks, [1e-4], mated=mated, nonmated=total - mated)
        found.area(), found.equal_error_rate(), found.curve(), found.key_point(1e-4)

    with tempfile.TemporaryDirectory() as folder:
        ours = seconds(lambda: figures(Path(folder)))
    peak = memory_mb()
    upper = np.triu_indices(count, 1)
    scores = (objects.vectors.astype(np.float64) @ objects.vectors.astype(np.float64).T)[upper]
    classes = objects.persons[upper[0]] == objects.persons[upper[1]]
    plain = seconds(lambda: (roc_curve(classes, scores), roc_auc_score(classes, scores)))
    show("ROC, exact figures", total, ours, {"scikit-learn, of given scores": plain}, peak=peak)
    print(f"  memory {peak - before:17.0f} MB over what the vectors take; scikit-learn {memory_mb() - before:.0f} MB")


def kept_scores(objects: Marked, folder: Path) -> list[Path]:
    """Sorted scores, tile by tile."""
    paths = []
    for tile in clustering.tiles(len(objects.persons), rows_of_tile(MEMORY)):
        sink = pairs.Everything(np.empty(pairs.pairs_of_tile(tile), np.int64))
        pairs.add_tile(objects, tile, sink, memory=MEMORY // 2, check=nothing)
        sink.sort()
        paths.append(folder / f"{len(paths)}.npy")
        np.save(paths[-1], sink.keys)
    return paths


def bench_coverage() -> None:
    """What the intervals cover of 500 simulated sets, and those that resample pairs instead."""
    for count, rate in ((30, 0.1), (60, 0.1), (200, 0.05), (500, 0.02)):
        random, covered, by_pairs = np.random.default_rng(count), 0, 0
        for seed in range(500):
            images = random.integers(2, 11, count)
            mated = images * (images - 1) // 2
            misses = random.binomial(mated, random.beta(rate * 3, (1 - rate) * 3, count))
            ((low, high),) = resampling.miss_intervals(misses[:, None], mated, seed=seed, memory=MEMORY, check=nothing)
            covered += low <= rate <= high
            drawn = random.binomial(mated.sum(), misses.sum() / mated.sum(), resampling.RESAMPLES) / mated.sum()
            low, high = np.quantile(drawn, [0.025, 0.975])
            by_pairs += low <= rate <= high
        shares = f"covers {covered / 5:.1f} %; over pairs {by_pairs / 5:.1f} %"
        print(f"interval of 95 %, {count:3d} people, FNMR {rate}: {shares}")


def bench_roc_full() -> None:
    """A whole ROC of 100 000 objects, on one thread: mates, scores, windows, people, figures."""
    objects = marked(OBJECTS)
    keys = [0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
    started = time.process_time()
    mates, bars = pairs.best_mates(objects, 0, OBJECTS, check=nothing)
    print(f"  mates    {time.process_time() - started:7.1f} s")
    histogram = pairs.Histogram()
    for tile in clustering.tiles(OBJECTS, 16_384):
        pairs.count_better(objects, tile, mates, bars, histogram, memory=MEMORY, check=nothing)
    print(f"  scores   {time.process_time() - started:7.1f} s")
    levels = roc.levels_of_bins(histogram.counts)
    while len(chosen := roc.Evaluation(levels).open_levels(keys)):
        sink = pairs.Collected(levels.windows(chosen))
        print(f"  windows  {time.process_time() - started:7.1f} s  {len(chosen)} bins, {levels.pairs(chosen)} pairs")
        for tile in clustering.tiles(OBJECTS, 16_384):
            pairs.add_tile(objects, tile, sink, memory=MEMORY, check=nothing)
        levels = roc.replaced(levels, chosen, roc.levels_of_keys(sink.sorted_keys()))
    evaluation = roc.Evaluation(levels)
    points = [evaluation.key_point(key) for key in keys]
    thresholds = np.array(sorted({point.threshold for point in points})) * pairs.UNIT
    missed = pairs.misses(objects, 0, OBJECTS, thresholds=thresholds, check=nothing)
    resampling.miss_intervals(missed, np.full(len(missed), 45), seed=1, memory=MEMORY, check=nothing)
    evaluation.curve()
    taken = time.process_time() - started
    print(f"  AUC {evaluation.area():.9f} +- {evaluation.area_bound():.1e}")
    show("ROC, whole", OBJECTS * (OBJECTS - 1) // 2, taken, {})


def show(name: str, count: int, ours: float, others: dict[str, float], *, peak: float | None = None) -> float:
    """Print a row; pairs per second."""
    rate = count / ours
    print(f"{name:24} {rate / 1e6:9.1f} M pairs/s  {count:.2g} pairs, peak {peak or memory_mb():.0f} MB")
    for other, taken in others.items():
        print(f"  ratio {taken / ours:18.2f} x  ours : {other}")
    return rate


def memory_mb() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


ROWS: dict[str, Callable[[], None]] = {
    "forest": bench_forest,
    "best": lambda: bench_best(SFACE.match_score, "best 5 above threshold"),
    "best of all": lambda: bench_best(-1.0, "best 5 of all"),
    "scores": bench_roc_scores,
    "windows": bench_roc_windows,
    "exact": bench_roc_exact,
    "coverage": bench_coverage,
}


def run(name: str) -> None:
    """One row, on one thread."""
    with threadpool_limits(1):
        (ROWS | {"full": bench_roc_full})[name]()
    sys.stdout.flush()


def main() -> None:
    """Print all rows, or those that are named."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--full", action="store_true", help="a whole ROC of 100 000 objects too")
    options.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}, full")
    given = options.parse_args()
    for name in given.rows or [*ROWS, *(["full"] if given.full else [])]:
        process = multiprocessing.get_context("spawn").Process(target=run, args=(name,))
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(process.exitcode)


if __name__ == "__main__":
    main()

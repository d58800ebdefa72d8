"""ROC: all pairs of the marked images, in phases.

0. mates: the best mate of every object; errors of objects without a descriptor.
1. scores: every pair, tile by tile: who beats the mates, and the scores, kept one by one when they are few, else
   counted in bins.
2. windows: the bins that hold a threshold, or blur the area too much, are resolved: kept one by one when they hold
   few pairs, else counted more finely; again until nothing is open.
3. people: what each person misses at the thresholds, for the intervals.

With `cropped` the lists of the best candidates of every object are all there is: one phase.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
from django.conf import settings
from numpy.typing import NDArray

from lunatasks import errors
from lunatasks.luna_services.descriptors import VERSIONS, DescriptorVersion, score_above
from tasks_app.states import TaskType
from tasks_app.transitions import Artefact
from workers.context import Context, Part
from workers.files import artefacts
from workers.numeric import ids, matching, pairs, roc
from workers.numeric.clustering import tiles
from workers.numeric.cropped import CroppedLists
from workers.numeric.pairs import Integers, Marked
from workers.numeric.resampling import miss_intervals
from workers.numeric.roc import Levels
from workers.numeric.streamed import rows_of_tile
from workers.task_types import roc_exact, roc_result
from workers.task_types.base import Plan, TaskKind
from workers.task_types.markup import Missing, read_markup
from workers.task_types.phases import parts_of_phase

MEBIBYTE = 2**20
MATED_PAIRS_OF_A_PART = 2**27
MISSING_OF_A_PART = 1000
COLLECTED_PAIRS = 2**23
"""Pairs in open windows up to which their scores are kept one by one."""
MOST_LISTED = 20_000_000
ANY_SCORE = -2.0

LEVEL = np.dtype([("start", "<i8"), ("bits", "i1"), ("mated", "<i8"), ("nonmated", "<i8")])
MATE = np.dtype([("mate", "<i8"), ("score", "<f8")])
LISTED = np.dtype([("object", "<i8"), ("neighbour", "<i8"), ("score", "<f8")])


# -- split -------------------------------------------------------------------------------------------


def split(context: Context, phase: int) -> Plan:
    """Plan a phase from what the one before left."""
    if phase == 0:
        return _split_markup(context)
    marked = _marked(context)
    if phase == 1:
        mates = np.concatenate([_array(part) for part in _parts(context, 0, "mates")])
        return Plan(
            parts=[
                {"step": "scores", "tile": tile}
                for tile in _tiles(context, _rows_of_scores(exact=context.inputs["exact"]))
            ],
            inputs={"mates": context.write_array("-mates.npy", mates)},
            last=False,
        )
    if phase == 2 and context.inputs["exact"]:
        return _split_exact(context, marked)
    if phase == 2:
        inputs, levels = _first_levels(context, marked)
    else:
        inputs, levels = {}, _refined_levels(context, phase - 1)
    if _both_classes(context):
        chosen = roc.Evaluation(levels).open_levels(context.content["key_FPRs"])
        if len(chosen):
            return _split_windows(context, levels, chosen, inputs)
    return _split_people(context, marked, _figures_of(context, levels), inputs)


def _split_markup(context: Context) -> Plan:
    cropped = context.content["cropped"]
    read = read_markup(context, version=_version().number, by_id=cropped)
    read.marked.check_lengths()
    count = len(read.marked.persons)
    parts: list[Any] = [
        {"step": "missing", "range": [start, min(start + MISSING_OF_A_PART, len(read.missing.ids))]}
        for start in range(0, len(read.missing.ids), MISSING_OF_A_PART)
    ]
    if cropped:
        _refuse_long_lists(context, count)
        step = settings.LUNATASKS_TILE_ROWS
        parts += [{"step": "lists", "range": [at, min(at + step, count)]} for at in range(0, count, step)]
    elif count > 1:
        ranges = pairs.mated_ranges(read.marked.persons, pairs=MATED_PAIRS_OF_A_PART)
        parts += [{"step": "mates", "range": list(rows)} for rows in ranges]
    inputs = {
        "facts": _facts(read.facts, cropped=cropped),
        "exact": cropped or count * (count - 1) // 2 <= settings.LUNATASKS_ROC_EXACT_PAIRS,
        **_inputs_of(context, read.marked, read.missing),
    }
    return Plan(parts=parts, inputs=inputs, last=cropped or count < 2)


def _inputs_of(context: Context, marked: Marked, missing: Missing) -> dict[str, Artefact]:
    return {
        "vectors": context.write_array("-vectors.npy", marked.vectors),
        "persons": context.write_array("-persons.npy", marked.persons),
        "ranks": context.write_array("-ranks.npy", marked.ranks),
        "missing": context.write_array("-missing.npy", ids.to_array(missing.ids)),
        "missing_exists": context.write_array("-exists.npy", np.array(missing.exists, np.bool_)),
    }


def _facts(facts: dict[str, Any], *, cropped: bool) -> dict[str, Any]:
    # a list belongs to one of both objects: every pair may be listed twice
    return facts | {name: facts[name] * (1 + cropped) for name in ("mated", "nonmated")}


def _refuse_long_lists(context: Context, count: int) -> None:
    if min(context.content["limit"], count) * count > MOST_LISTED:
        raise errors.BadBody("content.limit", f"Lists of all objects should hold at most {MOST_LISTED} entries")


def _rows_of_scores(*, exact: bool) -> int:
    most: int = settings.LUNATASKS_ROC_TILE_ROWS
    return min(most, rows_of_tile(_memory())) if exact else most


def _first_levels(context: Context, marked: Marked) -> tuple[dict[str, Any], Levels]:
    """Levels of all pairs; the count of those who beat the mates is an input from here on."""
    counts = np.zeros(2 * pairs.BINS, np.int64)
    for part in _parts(context, 1, "scores"):
        counts += _array(part)[roc_exact.ranks_of(part.content["tile"]) :]
    return _better(context, marked), roc.levels_of_bins(counts.reshape(2, pairs.BINS))


def _better(context: Context, marked: Marked) -> dict[str, Any]:
    better = np.zeros(len(marked.persons), np.int64)
    for part in _parts(context, 1, "scores"):
        row_start, row_stop, column_start, column_stop = tile = part.content["tile"]
        ranks = part.read_array(mapped=True)[: roc_exact.ranks_of(tile)]
        better[row_start:row_stop] += ranks[: row_stop - row_start]
        better[column_start:column_stop] += ranks[row_stop - row_start :]
    return {"better": context.write_array("-better.npy", better)}


def _split_exact(context: Context, marked: Marked) -> Plan:
    parts, wanted = _parts(context, 1, "scores"), context.content["key_FPRs"]
    found = roc_exact.evaluate(parts, wanted, context.inputs["facts"], memory=_memory(), check=context.check)
    figures = roc_result.figures(found.histograms, found if _both_classes(context) else None, wanted)
    return _split_people(context, marked, figures, _better(context, marked))


def _refined_levels(context: Context, phase: int) -> Levels:
    """Levels after the windows of a phase were resolved."""
    levels = _levels(context)
    chosen = np.asarray(context.read_input("chosen"))
    if context.inputs["collected"]:
        found = roc.levels_of_keys(_sorted([_array(part) for part in _parts(context, phase, "windows")]))
        return roc.replaced(levels, chosen, found)
    windows = levels.windows(chosen)
    counts = sum(_array(part) for part in _parts(context, phase, "windows"))
    return roc.replaced(levels, chosen, roc.levels_of_parts(windows, np.asarray(counts).reshape(2, -1)))


def _split_windows(context: Context, levels: Levels, chosen: Integers, inputs: dict[str, Any]) -> Plan:
    stored = np.empty(len(levels.starts), LEVEL)
    stored["start"], stored["bits"] = levels.starts, levels.bits
    stored["mated"], stored["nonmated"] = levels.mated, levels.nonmated
    inputs |= {
        "levels": context.write_array("-levels.npy", stored),
        "chosen": context.write_array("-chosen.npy", chosen),
        "collected": levels.pairs(chosen) <= COLLECTED_PAIRS,
    }
    found = _tiles(context, settings.LUNATASKS_ROC_TILE_ROWS)
    return Plan(parts=[{"step": "windows", "tile": tile} for tile in found], inputs=inputs, last=False)


def _figures_of(context: Context, levels: Levels) -> dict[str, Any]:
    evaluation = roc.Evaluation(levels) if _both_classes(context) else None
    return roc_result.figures(roc.score_histograms(levels), evaluation, context.content["key_FPRs"])


def _split_people(context: Context, marked: Marked, figures: dict[str, Any], inputs: dict[str, Any]) -> Plan:
    with context.writing("-figures.json") as writer:
        writer.write(orjson.dumps(figures))
    ranges = pairs.mated_ranges(marked.persons, pairs=MATED_PAIRS_OF_A_PART) if figures["thresholds"] else ()
    return Plan(
        parts=[{"step": "people", "range": list(rows)} for rows in ranges],
        inputs=inputs | {"figures": writer.artefact, "thresholds": figures["thresholds"]},
    )


# -- parts -------------------------------------------------------------------------------------------


def process(context: Context, content: Any) -> Artefact | None:
    """Run a part of any phase."""
    return STEPS[content["step"]](context, content)


def _missing(context: Context, content: Any) -> None:
    start, stop = content["range"]
    exists = context.read_input("missing_exists")[start:stop]
    for name, there in zip(ids.to_strings(context.read_input("missing")[start:stop]), exists, strict=True):
        error = errors.ReferenceWithoutDescriptor if there else errors.ReferenceMissing
        context.add_error(error(name, additional_info=name))


def _mates(context: Context, content: Any) -> Artefact:
    start, stop = content["range"]
    found = np.empty(stop - start, MATE)
    found["mate"], found["score"] = pairs.best_mates(_marked(context), start, stop, check=context.check)
    return context.write_array(".npy", found)


def _scores(context: Context, content: Any) -> Artefact:
    marked, mates, tile = _marked(context), np.asarray(context.read_input("mates")), tuple(content["tile"])
    exact, ranks = context.inputs["exact"], roc_exact.ranks_of(tile)
    found = np.zeros(ranks + (pairs.pairs_of_tile(tile) if exact else 2 * pairs.BINS), np.int64)
    sink = pairs.Everything(found[ranks:]) if exact else pairs.Histogram(found[ranks:].reshape(2, -1))
    memory = _memory() // 2 if exact else _memory()
    better = pairs.count_better(marked, tile, mates["mate"], mates["score"], sink, memory=memory, check=context.check)
    if isinstance(sink, pairs.Everything):
        sink.sort()
    np.concatenate(better, out=found[:ranks])
    return context.write_array(".npy", found)


def _windows(context: Context, content: Any) -> Artefact:
    windows = _levels(context).windows(np.asarray(context.read_input("chosen")))
    sink = pairs.Collected(windows) if context.inputs["collected"] else pairs.Refined(windows)
    pairs.add_tile(_marked(context), tuple(content["tile"]), sink, memory=_memory(), check=context.check)
    return context.write_array(".npy", sink.sorted_keys() if isinstance(sink, pairs.Collected) else sink.counts.ravel())


def _people(context: Context, content: Any) -> Artefact:
    start, stop = content["range"]
    thresholds = np.array(context.inputs["thresholds"], np.float64) * pairs.UNIT
    return context.write_array(
        ".npy", pairs.misses(_marked(context), start, stop, thresholds=thresholds, check=context.check)
    )


def _lists(context: Context, content: Any) -> Artefact:
    start, stop = content["range"]
    vectors = np.asarray(context.read_input("vectors"))
    lists = matching.best_matches(
        vectors[start:stop],
        vectors,
        limit=ANY_SCORE,
        best=context.content["limit"],
        memory=_memory(),
        check=context.check,
        itself=np.arange(start, stop),
    )
    best = matching.join([matching.NO_NEIGHBOURS, *lists])
    found = np.empty(len(best.objects), LISTED)
    found["object"], found["neighbour"], found["score"] = best.objects + start, best.neighbours, best.scores
    return context.write_array(".npy", found)


STEPS = {
    "missing": _missing,
    "mates": _mates,
    "scores": _scores,
    "windows": _windows,
    "people": _people,
    "lists": _lists,
}


# -- merge -------------------------------------------------------------------------------------------


def merge(context: Context, parts: Iterator[Part]) -> Artefact:
    """Put the result together."""
    result = _cropped_result(context, parts) if context.content["cropped"] else _result(context, parts)
    with context.writing(".json") as writer:
        writer.write(orjson.dumps(result))
    assert writer.artefact is not None  # noqa: S101  set by the block above
    return writer.artefact


def _result(context: Context, parts: Iterator[Part]) -> dict[str, Any]:
    marked, figures = _marked(context), _figures(context)
    misses = np.zeros((context.inputs["facts"]["people"], len(figures["thresholds"])), np.int64)
    for part in parts:
        if part.content["step"] == "people":
            found, first = _array(part), int(marked.persons[part.content["range"][0]])
            misses[first : first + len(found)] += found
    if "better" in context.inputs:
        better, scores = np.asarray(context.read_input("better")), np.asarray(context.read_input("mates"))["score"]
    else:
        better, scores = np.zeros(0, np.int64), np.zeros(0)
    return _assembled(context, figures, misses, _hits(context, better, scores))


def _cropped_result(context: Context, parts: Iterator[Part]) -> dict[str, Any]:
    marked, facts = _marked(context), context.inputs["facts"]
    listed = np.concatenate([np.empty(0, LISTED), *(_array(part) for part in parts if part.content["step"] == "lists")])
    lists = CroppedLists(marked, listed["object"], listed["neighbour"], listed["score"])
    levels = lists.levels(mated=facts["mated"], nonmated=facts["nonmated"])
    figures = _figures_of(context, levels)
    return _assembled(context, figures, lists.misses(figures["thresholds"]), _hits(context, *lists.first_hits()))


def _figures(context: Context) -> dict[str, Any]:
    if "figures" not in context.inputs:  # fewer than two objects
        return _figures_of(context, roc.levels_of_keys(np.empty(0, np.int64)))
    stored = Artefact(**context.inputs["figures"])
    figures: dict[str, Any] = orjson.loads(artefacts.local_path(stored, task_id=context.task_id).read_bytes())
    return figures


def _hits(context: Context, better: Integers, scores: NDArray[np.float64]) -> Integers:
    threshold = context.content["threshold_hit_top"]
    least = score_above(threshold, _version()) if threshold else ANY_SCORE
    limit = min(context.content["limit"], roc_result.MOST_HITS)
    return roc.hit_counts(better, scores, least=least, limit=limit)


def _assembled(context: Context, figures: dict[str, Any], misses: Integers, hits: Integers) -> dict[str, Any]:
    images = np.bincount(_marked(context).persons)
    mated = images * (images - 1)
    return roc_result.result(
        figures,
        facts=context.inputs["facts"],
        version=_version(),
        intervals=miss_intervals(
            misses,
            mated if context.content["cropped"] else mated // 2,
            seed=roc_result.SEED,
            memory=_memory(),
            check=context.check,
        ),
        hits=hits.tolist(),
        probes=int(images[images > 1].sum()),
        cropped=context.content["cropped"],
    )


# -- what parts share --------------------------------------------------------------------------------


def _version() -> DescriptorVersion:
    return VERSIONS[settings.LUNATASKS_FACE_VERSION]


def _memory() -> int:
    return settings.LUNATASKS_MEMORY_MB * MEBIBYTE


def _marked(context: Context) -> Marked:
    return Marked(*(np.asarray(context.read_input(name)) for name in ("vectors", "persons", "ranks")))


def _both_classes(context: Context) -> bool:
    facts = context.inputs["facts"]
    return bool(facts["mated"] and facts["nonmated"])


def _tiles(context: Context, rows: int) -> Iterator[tuple[int, int, int, int]]:
    return tiles(context.inputs["facts"]["objects"], rows)


def _levels(context: Context) -> Levels:
    stored = np.asarray(context.read_input("levels"))
    return Levels(stored["start"], stored["bits"], stored["mated"], stored["nonmated"])


def _parts(context: Context, phase: int, step: str) -> Iterator[Part]:
    return (part for part in parts_of_phase(context, phase) if part.content["step"] == step)


def _array(part: Part) -> NDArray[Any]:
    return part.read_array()


def _sorted(found: list[Integers]) -> Integers:
    if len(found) == 1:  # it is, and may be large
        return found[0]
    joined = np.concatenate([np.empty(0, np.int64), *found])
    joined.sort()
    return joined


KIND = TaskKind(number=TaskType.ROC, split=split, process=process, merge=merge, needs_all_parts=True)

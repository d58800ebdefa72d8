"""The result of a ROC as the contract has it, from figures in counts and units."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunatasks.luna_services.descriptors import DescriptorVersion, similarity
from workers.numeric import resampling, roc
from workers.numeric.pairs import UNIT, Integers
from workers.numeric.roc import Evaluation
from workers.numeric.streamed import Streamed

SEED = 19795
"""Of the resampling: always the same, so that the same objects give the same result."""
MOST_HITS = 100_000

Json = dict[str, Any]


def figures(histograms: Integers, evaluation: Evaluation | Streamed | None, wanted: list[float]) -> Json:
    """What follows from the scores, as JSON: thresholds in units, rates where counts are divided.

    histograms: see `roc.score_histograms`; evaluation: None without one of the classes, for then there is no curve.
    """
    found: Json = {
        "mated_scores": histograms[1].tolist(),
        "nonmated_scores": histograms[0].tolist(),
        "curve": None,
        "AUC": None,
        "AUC_bound": None,
        "EER": None,
        "key_points": [{"FPR": rate} for rate in wanted],
        "thresholds": [],
    }
    if evaluation is not None:
        found |= _figures_of_both(evaluation, wanted)
    return found


def _figures_of_both(evaluation: Evaluation | Streamed, wanted: list[float]) -> Json:
    curve, equal = evaluation.curve(), evaluation.equal_error_rate()
    points = [_key_point(evaluation, rate) for rate in wanted]
    return {
        "curve": {
            "FPR": (curve.false_matches / evaluation.nonmated).tolist(),
            "TPR": (curve.true_matches / evaluation.mated).tolist(),
            "units": curve.thresholds.tolist(),
        },
        "AUC": evaluation.area(),
        "AUC_bound": evaluation.area_bound(),
        "EER": {"rate": equal.rate, "low": equal.low, "high": equal.high, "units": equal.threshold},
        "key_points": points,
        "thresholds": sorted({point["units"] for point in points}),
    }


def _key_point(evaluation: Evaluation | Streamed, wanted: float) -> Json:
    point = evaluation.key_point(wanted)
    return {
        "FPR": wanted,
        "realised_FPR": point.false_matches / evaluation.nonmated,
        "TPR": point.true_matches / evaluation.mated,
        "FNMR": (evaluation.mated - point.true_matches) / evaluation.mated,
        "units": point.threshold,
        "supported": point.supported,
    }


def result(
    found: Json,
    *,
    facts: Json,
    version: DescriptorVersion,
    intervals: NDArray[np.float64],
    hits: list[int],
    probes: int,
    cropped: bool,
) -> Json:
    """The result. intervals: (k, 2) of FNMR at `thresholds`; hits: of how many probes, for N = 1, 2, ..."""
    by_threshold = dict(zip(found["thresholds"], intervals.tolist(), strict=True))
    return {
        "counts": {name: facts[name] for name in ("people", "objects", "mated", "nonmated", "excluded")},
        "roc": _curve(found["curve"], version),
        "AUC": found["AUC"],
        "EER": found["EER"] and _with_similarity(found["EER"], version),
        "key_points": [_whole_point(point, by_threshold, version) for point in found["key_points"]],
        "top_hits": [
            {"N": number, "probability": count / probes if probes else None} for number, count in enumerate(hits, 1)
        ],
        "scores": _histograms(found, version),
        "method": _method(found, facts, version, cropped=cropped),
    }


def _similarity(units: int, version: DescriptorVersion) -> float:
    return similarity(units * UNIT, version) if units > roc.UNLISTED + 1 else 0.0


def _with_similarity(members: Json, version: DescriptorVersion) -> Json:
    shown = {name: value for name, value in members.items() if name != "units"}
    return shown | {"threshold": _similarity(members["units"], version)}


def _curve(curve: Json | None, version: DescriptorVersion) -> Json | None:
    if curve is None:
        return None
    # the first point accepts nothing; no similarity reaches 1
    thresholds = [1.0, *(_similarity(units, version) for units in curve["units"])]
    return {"FPR": curve["FPR"], "TPR": curve["TPR"], "thresholds": thresholds}


def _whole_point(point: Json, intervals: dict[int, list[float]], version: DescriptorVersion) -> Json:
    if "units" not in point:
        unknown = ("realised_FPR", "TPR", "FNMR", "interval", "threshold")
        return {**point, **dict.fromkeys(unknown), "supported": False}
    low, high = intervals[point["units"]]
    interval = None if np.isnan(low) else [low, high]
    shown = _with_similarity(point, version)
    supported = shown.pop("supported")
    threshold = shown.pop("threshold")
    return {**shown, "interval": interval, "threshold": threshold, "supported": supported}


def _histograms(found: Json, version: DescriptorVersion) -> Json:
    cosines = roc.histogram_edges().tolist()
    edges = [similarity(cosine, version) for cosine in cosines]
    return {
        name: {"edges": edges, "cosines": cosines, "counts": found[f"{name}_scores"]} for name in ("mated", "nonmated")
    }


def _method(found: Json, facts: Json, version: DescriptorVersion, *, cropped: bool) -> Json:
    return {
        "pairs": "cropped lists, every pair in both directions" if cropped else "all pairs, each once",
        "accepted": "similarity >= threshold",
        "descriptor_version": version.number,
        "AUC_bound": found["AUC_bound"],
        "EER": "FVC2000",
        "supported": f"at least {roc.EXPECTED_FALSE_MATCHES} expected false matches",
        "interval": {
            "of": "FNMR at the fixed threshold",
            "by": "studentised bootstrap over people",
            "confidence": resampling.CONFIDENCE,
            "resamples": resampling.RESAMPLES,
            "seed": SEED,
        },
        "duplicates": facts["duplicates"],
        "people_with_one_image": facts["people_with_one_image"],
    }

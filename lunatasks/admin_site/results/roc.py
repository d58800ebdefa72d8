"""The result of a ROC: curve, operating points, histograms, hits."""

from typing import Any

import orjson
from django.http import HttpRequest

from lunatasks.admin_site.results.roc_plot import curve_plot, score_plot
from lunatasks.admin_site.results.stream import Unreadable, opened
from tasks_app.models import Task

MOST_BYTES = 2**25
MOST_KEY_POINTS = 100
MOST_HITS = 20


def roc_page(request: HttpRequest, task: Task) -> dict[str, Any]:
    """All of it but the points of the curve, which are drawn."""
    with opened(task) as result:
        if result.size > MOST_BYTES:
            raise Unreadable("The result is too large to be shown; the download holds it.")
        found = orjson.loads(result.stream.read())
        points = [_key_point(point) for point in found["key_points"][:MOST_KEY_POINTS]]
        scores = found["scores"]
        return {
            "counts": found["counts"],
            "AUC": found["AUC"],
            "EER": found["EER"],
            "curve": _curve(found),
            "scores": score_plot(
                scores["mated"]["cosines"],
                scores["mated"]["edges"],
                scores["mated"]["counts"],
                scores["nonmated"]["counts"],
            ),
            "key_points": points,
            "unsupported": [point["FPR"] for point in points if not point["supported"]],
            "hits": found["top_hits"][:MOST_HITS],
            "hit_count": len(found["top_hits"]),
            "hit_threshold": task.content.get("threshold_hit_top"),
            "method": _method(found["method"]),
            "singles": found["method"].get("people_with_one_image", {}).get("count", 0),
            "duplicates": found["method"].get("duplicates", 0),
        }


def _curve(found: dict[str, Any]) -> Any:
    if not found["roc"]:
        return None
    points = [
        (point["realised_FPR"], point["TPR"], bool(point["supported"]), f"key point, FPR {point['FPR']:g}")
        for point in found["key_points"][:MOST_KEY_POINTS]
        if point["TPR"] is not None
    ]
    return curve_plot(found["roc"]["FPR"], found["roc"]["TPR"], nonmated=found["counts"]["nonmated"], points=points)


def _key_point(point: dict[str, Any]) -> dict[str, Any]:
    """Numbers as texts: rates in scientific form, where a percent sign would hide what matters."""
    interval = point["interval"]
    return {
        "FPR": f"{point['FPR']:g}",
        "realised": _rate(point["realised_FPR"]),
        "TPR": _share(point["TPR"]),
        "FNMR": _share(point["FNMR"]),
        "interval": f"{_share(interval[0])} to {_share(interval[1])}" if interval else "not known",
        "threshold": point["threshold"],
        "supported": bool(point["supported"]),
    }


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.2e}" if value else "0"  # noqa: RUF001


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"  # noqa: RUF001


def _method(method: dict[str, Any]) -> list[tuple[str, str]]:
    interval = method.get("interval", {})
    rows = {
        "Pairs": method.get("pairs"),
        "Accepted": method.get("accepted"),
        "Descriptor version": method.get("descriptor_version"),
        "Equal error rate by": method.get("EER"),
        "Largest error of the AUC": method.get("AUC_bound"),
        "A point is supported by": method.get("supported"),
        "Interval": f"{interval.get('of')}, {interval.get('by')}, confidence {interval.get('confidence')}, "
        f"{interval.get('resamples')} resamples",
    }
    return [(name, str(value)) for name, value in rows.items() if value is not None]

"""Drawings of a ROC as numbers of SVG: a curve over a logarithmic axis, histograms of scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 72, 16, 14, 52
LEAST_DECADE = -9
STEP = 0.6
"""Pixels between two points of a path; what lies closer is not seen."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid with its text, and a second text below."""

    at: float
    text: str
    below: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of the plot with what it tells."""

    x: float
    y: float
    is_supported: bool
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """What a template draws. `paths`: (class, the d of a path)."""

    paths: list[tuple[str, str]]
    across: list[Tick]
    up: list[Tick]
    marks: list[Mark]

    @property
    def frame(self) -> dict[str, int]:
        """Of the drawing: its size, and the edges of the area inside the axes."""
        return {
            "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT, "top": TOP,
            "bottom": HEIGHT - BOTTOM, "inner": WIDTH - RIGHT - LEFT, "tall": HEIGHT - BOTTOM - TOP,
            "center": (LEFT + WIDTH - RIGHT) // 2, "middle": (TOP + HEIGHT - BOTTOM) // 2,
        }  # fmt: skip


def curve_plot(
    fprs: Sequence[float], tprs: Sequence[float], *, nonmated: int, points: Sequence[tuple[float, float, bool, str]]
) -> Plot:
    """TPR over log10 of FPR, from below one non-mated pair. points: (FPR, TPR, supported, text)."""
    least = max(LEAST_DECADE, math.floor(-math.log10(max(nonmated, 10))))

    def across(fpr: float) -> float:
        decades = math.log10(fpr) if fpr > 0 else least
        return _scaled(max(decades, least), least, 0, LEFT, WIDTH - RIGHT)

    step = 1 if least >= -6 else 2
    chance = [
        (across(10 ** (least + number * -least / 200)), 10 ** (least + number * -least / 200)) for number in range(201)
    ]
    return Plot(
        paths=[
            ("plot-chance", _path([(x, _up(y)) for x, y in chance])),
            ("plot-curve", _path([(across(fpr), _up(tpr)) for fpr, tpr in zip(fprs, tprs, strict=True)])),
        ],
        across=[Tick(across(10.0**decade), _decade(decade)) for decade in range(0, least - 1, -step)],
        up=[Tick(_up(number / 5), f"{number / 5:.1f}") for number in range(6)],
        marks=[Mark(across(fpr), _up(tpr), known, text) for fpr, tpr, known, text in points],
    )


def score_plot(
    cosines: Sequence[float], similarities: Sequence[float], mated: Sequence[int], nonmated: Sequence[int]
) -> Plot | None:
    """Shares of pairs by score, each class by itself. cosines, similarities: edges of the bins."""
    used = [at for at, pairs in enumerate(zip(mated, nonmated, strict=True)) if any(pairs)]
    if not used:
        return None
    first, last = max(0, used[0] - 2), min(len(mated), used[-1] + 3)
    shares = {name: _shares(counts) for name, counts in (("nonmated", nonmated), ("mated", mated))}
    most = max(max(one) for one in shares.values())

    def across(cosine: float) -> float:
        return _scaled(cosine, cosines[first], cosines[last], LEFT, WIDTH - RIGHT)

    paths = []
    for name, counts in (("nonmated", nonmated), ("mated", mated)):
        if any(counts):
            steps = [
                (across(cosines[at + side]), _up(shares[name][at] / most))
                for at in range(first, last)
                for side in (0, 1)
            ]
            paths.append((f"plot-{name}", _path([(steps[0][0], _up(0)), *steps, (steps[-1][0], _up(0))])))
    ticks = _nice_ticks(cosines[first], cosines[last])
    return Plot(
        paths=paths,
        across=[Tick(across(one), f"{one:.2f}", _similarity_at(one, cosines, similarities)) for one in ticks],
        up=[Tick(_up(part / 4), f"{100 * most * part / 4:.1f} %") for part in range(5)],
        marks=[],
    )


def _up(value: float) -> float:
    return _scaled(value, 0, 1, HEIGHT - BOTTOM, TOP)


def _scaled(value: float, low: float, high: float, start: float, stop: float) -> float:
    return start + (value - low) / (high - low) * (stop - start)


def _path(points: Sequence[tuple[float, float]]) -> str:
    """The points as a line, without those that nobody could tell from the one before."""
    kept = list(points[:1])
    for point in points[1:-1]:
        if abs(point[0] - kept[-1][0]) + abs(point[1] - kept[-1][1]) >= STEP:
            kept.append(point)
    kept += points[-1:]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in kept)


def _decade(decade: int) -> str:
    return "1" if decade == 0 else f"1e{decade}"


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def _nice_ticks(low: float, high: float) -> list[float]:
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / step <= 8 or step == 0.5)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _similarity_at(cosine: float, cosines: Sequence[float], similarities: Sequence[float]) -> str:
    nearest = min(range(len(cosines)), key=lambda at: abs(cosines[at] - cosine))
    return f"{similarities[nearest]:.3f}"

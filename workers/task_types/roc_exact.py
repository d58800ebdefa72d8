"""Scores of a ROC that are kept one by one: tiles leave sorted runs of them, which one split evaluates in a stream."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from workers.context import Part
from workers.numeric.pairs import Integers
from workers.numeric.scores import Check
from workers.numeric.streamed import Streamed, falling_levels, keys_at_once


def evaluate(
    parts: Iterable[Part], wanted: list[float], facts: dict[str, Any], *, memory: int, check: Check
) -> Streamed:
    """The figures of all scores that parts left."""
    runs = [partial(_run, part) for part in parts]
    chunks = falling_levels(runs, keys_at_once(memory), check=check)
    return Streamed(chunks, wanted, mated=facts["mated"], nonmated=facts["nonmated"])


def _run(part: Part) -> Integers:
    return part.read_array(mapped=True)[ranks_of(part.content["tile"]) :]


def ranks_of(tile: tuple[int, int, int, int]) -> int:
    """How many figures of rows and columns precede the scores of a tile."""
    return tile[1] - tile[0] + tile[3] - tile[2]

"""Rows of JSON results: a part leaves one a line, the merge makes one array of them, neither holds them all."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import orjson

from lunatasks.errors import ArtefactDamaged
from tasks_app.transitions import Artefact
from workers.context import Context, Part
from workers.files import artefacts as files

_LINES = 1000


def write_rows(context: Context, rows: Iterable[Any]) -> Artefact:
    """The rows of a part, each written as soon as it comes."""
    with context.writing(".jsonl") as writer:
        for row in rows:
            writer.write(orjson.dumps(row) + b"\n")
    assert writer.artefact is not None  # noqa: S101  set by the block above
    return writer.artefact


def read_rows(artefact: Artefact, *, task_id: int, start: int = 0, stop: int | None = None) -> Iterator[Any]:
    """Rows start to stop of what `write_rows` wrote. Raises ArtefactDamaged."""
    with files.local_path(artefact, task_id=task_id).open("rb") as stream:
        for line in islice(stream, start, stop):
            yield orjson.loads(line)


def merge_rows(context: Context, parts: Iterable[Part]) -> Artefact:
    """One JSON array of all rows, in the order of the parts. Raises ArtefactDamaged."""
    with context.writing(".json") as writer:
        separator = b"["
        for part in parts:
            for lines in _batches(part):
                context.check()
                writer.write(separator + b",".join(lines))
                separator = b","
        writer.write(b"[]" if separator == b"[" else b"]")
    assert writer.artefact is not None  # noqa: S101  set by the block above
    return writer.artefact


def _batches(part: Part) -> Iterator[list[bytes]]:
    if part.artefact is None:
        raise ArtefactDamaged(part.task_id)
    with files.local_path(part.artefact, task_id=part.task_id).open("rb") as stream:
        while lines := [line.rstrip(b"\n") for line in islice(stream, _LINES)]:
            yield lines

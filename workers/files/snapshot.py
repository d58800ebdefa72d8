"""The fixed set a task works on: ids and vectors of its objects, as arrays in files."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from tasks_app.transitions import Artefact
from workers.context import Context


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`ids` (count, 16) uint8 ascending, `vectors` (count, d) float32 normalised; None of an empty set."""

    count: int
    ids: Artefact | None
    vectors: Artefact | None


def write_snapshot(
    context: Context, chunks: Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]]], *, name: str = ""
) -> Snapshot:
    """Write what a service yields in ascending order of ids; the vectors never stand in memory as a whole.

    `name` tells the files of this snapshot from those of another one of the same step.
    """
    folder = settings.LUNATASKS_HOME / "tmp"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ids, dimension = [np.empty((0, 16), np.uint8)], 0
    with tempfile.TemporaryFile(dir=folder) as raw:
        for some_ids, vectors in chunks:
            ids.append(some_ids)
            dimension = vectors.shape[1]
            raw.write(np.ascontiguousarray(vectors, dtype=np.float32).data)
            context.check()
        all_ids = np.concatenate(ids)
        if not len(all_ids):
            return Snapshot(0, None, None)
        raw.flush()
        stored = np.memmap(raw, dtype=np.float32, mode="r", shape=(len(all_ids), dimension))
        return Snapshot(
            count=len(all_ids),
            ids=context.write_array(f"{name}-ids.npy", all_ids),
            vectors=context.write_array(f"{name}-vectors.npy", stored),
        )

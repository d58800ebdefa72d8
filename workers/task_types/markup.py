"""The marked images of a ROC: who is on them, their descriptors, and those that have none."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from lunatasks import errors
from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import StoredDescriptor
from tasks_app.contents.roc import unique_entries
from workers.context import Context
from workers.numeric.pairs import Marked
from workers.task_types.selection import IDS_OF_A_CALL

KINDS = ("face_id", "event_id")
MOST_LABELS = 1000
"""People with one image that are named in the result; beyond, they are counted."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Marked objects without a descriptor. kinds: index in KINDS; exists: whether the object is there."""

    ids: list[UUID]
    exists: list[bool]


@dataclass(frozen=True, slots=True)
class Markup:
    """A markup whose descriptors were read. `facts`: what the result says about it."""

    marked: Marked
    missing: Missing
    facts: dict[str, Any]


def read_markup(context: Context, *, version: int, by_id: bool) -> Markup:
    """The objects of the markup, person after person, or by id.

    Raises BadBody for an object with two labels, NotAvailable for attributes, which have no descriptors here.
    """
    sent = context.content["markup"]
    entries = unique_entries(sent)
    if any(name not in KINDS for name, _, _ in entries):  # of a task that was made before creation refused it
        raise errors.NotAvailable("attribute_id in a markup")
    if len({(name, value) for name, value, _ in entries}) < len(entries):
        raise errors.BadBody("content.markup", "One id has two labels")
    vectors: dict[tuple[UUID, int], NDArray[np.float32]] = {}
    existing: set[tuple[UUID, int]] = set()
    for kind, name in enumerate(KINDS):
        ids = [UUID(value) for entry_name, value, _ in entries if entry_name == name]
        for start in range(0, len(ids), IDS_OF_A_CALL):
            context.check()
            some = ids[start : start + IDS_OF_A_CALL]
            found = {(one.object_id, kind): one.vector for one in _descriptors(context, kind, some, version)}
            vectors |= found
            if len(found) < len(some):
                existing |= {(one, kind) for one in _existing(context, kind, some)}
    labels = {(UUID(value), KINDS.index(name)): label for name, value, label in entries}
    absent = [key for key in labels if key not in vectors]
    return Markup(
        marked=_arranged(vectors, labels, by_id=by_id),
        missing=Missing([key[0] for key in absent], [key in existing for key in absent]),
        facts=_facts(Counter(labels[key] for key in vectors), len(absent), len(sent) - len(entries)),
    )


def _descriptors(context: Context, kind: int, ids: Sequence[UUID], version: int) -> list[StoredDescriptor]:
    if KINDS[kind] == "face_id":
        return registry.faces().get_descriptors(context.account_id, ids, version=version)
    return registry.events().get_descriptors(context.account_id, ids, kind="face", version=version)


def _existing(context: Context, kind: int, ids: Sequence[UUID]) -> set[UUID]:
    if KINDS[kind] == "face_id":
        return registry.faces().existing_ids(context.account_id, ids)
    return registry.events().existing_ids(context.account_id, ids)


def _arranged(
    vectors: dict[tuple[UUID, int], NDArray[np.float32]], labels: dict[tuple[UUID, int], int], *, by_id: bool
) -> Marked:
    by_rank = sorted(vectors)
    rank_of = {key: rank for rank, key in enumerate(by_rank)}
    people = {label: person for person, label in enumerate(sorted({labels[key] for key in by_rank}))}
    keys = by_rank if by_id else sorted(by_rank, key=lambda key: (labels[key], rank_of[key]))
    return Marked(
        vectors=np.stack([vectors[key] for key in keys]) if keys else np.empty((0, 1), np.float32),
        persons=np.array([people[labels[key]] for key in keys], np.int64),
        ranks=np.array([rank_of[key] for key in keys], np.int64),
    )


def _facts(images: Counter[int], excluded: int, duplicates: int) -> dict[str, Any]:
    groups: dict[bool, list[int]] = defaultdict(list)
    for label, count in images.items():
        groups[count == 1].append(label)
    singles = sorted(groups[True])
    objects = sum(images.values())
    mated = sum(count * (count - 1) // 2 for count in images.values())
    return {
        "people": len(images),
        "objects": objects,
        "mated": mated,
        "nonmated": objects * (objects - 1) // 2 - mated,
        "excluded": excluded,
        "duplicates": duplicates,
        "people_with_one_image": {"count": len(singles), "labels": singles[:MOST_LABELS]},
    }

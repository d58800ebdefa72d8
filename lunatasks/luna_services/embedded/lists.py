"""Lists of faces: locks, links, and the time of their last change."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from lunatasks.luna_services.embedded.bulk import insert_rows
from lunatasks.luna_services.embedded.filters import matching_faces
from lunatasks.luna_services.embedded.models import FaceLink, FaceList
from lunatasks.luna_services.ports import FaceFilters, ListCard, ListNotFound


@dataclass
class Change:
    """A change of faces: the existing ones, which are locked, and those that were changed indeed."""

    locked: list[UUID]
    faces: list[UUID] = field(default_factory=list)


@contextmanager
def changing(account_id: UUID, face_ids: Sequence[UUID]) -> Iterator[Change]:
    """A transaction over existing faces; lists that hold one that was changed get a new last_update_time."""
    with transaction.atomic():
        links = FaceLink.objects.filter(face__in=list(face_ids), face__account_id=account_id)
        locked = lock_lists(links.values_list("face_list_id", flat=True))
        change = Change(lock_faces(account_id, face_ids))
        yield change
        if change.faces:
            # none but those locked: lists come before faces
            holding = FaceLink.objects.filter(face_list__in=locked, face__in=change.faces).values("face_list_id")
            FaceList.objects.filter(list_id__in=holding).update(last_update_time=timezone.now())


def lock_list(account_id: UUID, list_id: UUID) -> None:
    """Hold a list until the commit. Raises ListNotFound."""
    if FaceList.objects.select_for_update().filter(account_id=account_id, list_id=list_id).first() is None:
        raise ListNotFound(list_id)


def lock_lists(list_ids: Iterable[UUID]) -> list[UUID]:
    """Ids of those that exist, ascending, held until the commit."""
    found = FaceList.objects.select_for_update().filter(list_id__in=set(list_ids)).order_by("list_id")
    return list(found.values_list("list_id", flat=True))


def lock_faces(account_id: UUID, face_ids: Sequence[UUID], *, for_delete: bool = False) -> list[UUID]:
    """Ids of those that exist, ascending. The rows are held against deletion, or for it, until the commit."""
    if not face_ids:
        return []
    faces = matching_faces(FaceFilters(account_id, face_ids=list(face_ids)))
    locked = faces.select_for_update(no_key=not for_delete).order_by("face_id")
    return list(locked.values_list("face_id", flat=True))


def link(list_id: UUID, face_ids: Sequence[UUID]) -> None:
    """Link locked faces to a locked list; those that are linked already change nothing."""
    linked = set(FaceLink.objects.filter(face_list=list_id, face__in=face_ids).values_list("face_id", flat=True))
    new = [FaceLink(face_list_id=list_id, face_id=face_id) for face_id in face_ids if face_id not in linked]
    if new:
        insert_rows(new)
        touch(list_id)


def touch(list_id: UUID) -> None:
    """The list has changed now."""
    FaceList.objects.filter(list_id=list_id).update(last_update_time=timezone.now())


def cards(found: QuerySet[FaceList]) -> list[ListCard]:
    """Cards of lists, by id."""
    counted = found.annotate(face_count=Count("links")).order_by("list_id")
    return [
        ListCard(
            list_id=one.list_id,
            account_id=one.account_id,
            user_data=one.user_data,
            create_time=one.create_time,
            last_update_time=one.last_update_time,
            face_count=one.face_count,
        )
        for one in counted
    ]

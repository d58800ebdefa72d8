"""Matching one descriptor against the candidates of a handler's match policies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from lunatasks.luna_services.descriptors import VERSIONS, similarity
from lunatasks.luna_services.policies import Candidates, MatchRule
from lunatasks.luna_services.ports import FaceCard, FaceFilters, Faces, Ids, TopMatch, Vector, Vectors

_BLOCK = 65_536
_UUIDS = ("face_id__gte", "face_id__lt", "list_id")
_TIMES = ("create_time__gte", "create_time__lt")


@dataclass(frozen=True, slots=True)
class Match:
    """The candidates of one match policy, most similar first."""

    label: str
    candidates: list[tuple[FaceCard, float]]
    targets: Sequence[str]

    @property
    def best(self) -> float:
        """Similarity of the best candidate, 0 without one."""
        return self.candidates[0][1] if self.candidates else 0.0

    def as_json(self) -> dict[str, Any]:
        """As `match_result` holds it."""
        return {
            "label": self.label,
            "candidates": [{"face": shown(card, self.targets), "similarity": score} for card, score in self.candidates],
        }


class Gallery:
    """Candidates of one match policy: kept in memory when they fit into `memory` bytes, else read for each image."""

    def __init__(self, faces: Faces, account_id: UUID, rule: MatchRule, *, version: int, before: datetime) -> None:
        self._faces = faces
        self._account_id = account_id
        self._rule = rule
        self._version = VERSIONS[version]
        self._filters = _filters(account_id, rule.candidates, before)
        self._kept: list[tuple[Ids, Vectors]] | None = None

    def keep(self, memory: int) -> int:
        """Read the candidates into memory unless they are larger; how many bytes they take."""
        kept, size = [], 0
        for ids, vectors in self._read():
            size += ids.nbytes + vectors.nbytes
            if size > memory:
                return 0
            kept.append((ids, vectors))
        self._kept = [(np.concatenate([i for i, _ in kept]), np.concatenate([v for _, v in kept]))] if kept else []
        return size

    def match(self, vector: Vector) -> Match:
        """The best candidates; equal ones by id."""
        found = _Best(self._rule.limit)
        wide = vector.astype(np.float64)
        for ids, vectors in self._kept if self._kept is not None else self._read():
            for start in range(0, len(vectors), _BLOCK):
                rows = vectors[start : start + _BLOCK].astype(np.float64)
                found.add(ids[start : start + _BLOCK], rows @ wide)
        scored = [(face_id, similarity(score, self._version)) for face_id, score in found.items()]
        kept = [(face_id, share) for face_id, share in scored if share >= self._rule.threshold]
        cards = {card.face_id: card for card in self._faces.get_faces(self._account_id, [one for one, _ in kept])}
        candidates = [(cards[face_id], share) for face_id, share in kept if face_id in cards]
        return Match(self._rule.label, candidates, self._rule.targets)

    def _read(self) -> Iterator[tuple[Ids, Vectors]]:
        return self._faces.iterate_descriptors(self._filters, version=self._version.number)


class _Best:
    """The highest scores so far; ties by id."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: list[tuple[float, bytes]] = []

    def add(self, ids: Ids, scores: NDArray[np.float64]) -> None:
        if len(scores) > self._limit:
            border = np.partition(scores, -self._limit)[-self._limit]
            chosen = np.flatnonzero(scores >= border)
        else:
            chosen = np.arange(len(scores))
        rows = [(-float(scores[at]), ids[at].tobytes()) for at in chosen]
        self._rows = sorted(self._rows + rows)[: self._limit]

    def items(self) -> list[tuple[UUID, float]]:
        return [(UUID(bytes=face_id), -score) for score, face_id in self._rows]


def open_galleries(
    faces: Faces, account_id: UUID, rules: Sequence[MatchRule], *, version: int, before: datetime, memory: int
) -> list[Gallery]:
    """Galleries of the rules, as many in memory as fit."""
    galleries = [Gallery(faces, account_id, rule, version=version, before=before) for rule in rules]
    for gallery in galleries:
        memory -= gallery.keep(memory)
    return galleries


def top_match(matches: Sequence[Match]) -> TopMatch | None:
    """The best candidate of all; of equal ones that of the first policy."""
    best = max((match for match in matches if match.candidates), key=lambda match: match.best, default=None)
    if best is None:
        return None
    card, share = best.candidates[0]
    return TopMatch("face", card.face_id, share, best.label, card.external_id)


def shown(card: FaceCard, targets: Sequence[str]) -> dict[str, Any]:
    """The asked members of a face, as JSON."""
    members: dict[str, Any] = {
        "face_id": str(card.face_id),
        "account_id": str(card.account_id),
        "external_id": card.external_id,
        "user_data": card.user_data,
        "event_id": str(card.event_id) if card.event_id else None,
        "avatar": card.avatar,
        "create_time": moment(card.create_time),
        "lists": sorted(map(str, card.lists)),
    }
    return {name: members[name] for name in targets}


def moment(time: datetime) -> str:
    """The moment as the contract writes it: UTC, six digits, Z."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _filters(account_id: UUID, candidates: Candidates, before: datetime) -> FaceFilters:
    given = candidates.model_dump(exclude_none=True, exclude={"origin"})
    if "face_ids" in given:
        given["face_ids"] = [UUID(value) for value in given["face_ids"]]
    given |= {name: UUID(given[name]) for name in _UUIDS if name in given}
    given |= {name: datetime.fromisoformat(given[name]) for name in _TIMES if name in given}
    given["create_time__lt"] = min(given.get("create_time__lt", before), before)
    return FaceFilters(account_id=account_id, **given)

"""An event while a handler makes it, and the conditions of policies."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from lunatasks.luna_services.embedded.face_models.extractor import FaceEstimate
from lunatasks.luna_services.embedded.handler_matching import Match
from lunatasks.luna_services.policies import Conditions
from lunatasks.luna_services.ports import BasicAttributes, NewEvent, NewFace


@dataclass(frozen=True, slots=True)
class Draft:
    """An event while it is made: what was found, what was decided, nothing stored yet."""

    event: NewEvent
    estimate: FaceEstimate = field(repr=False)
    matches: Sequence[Match]
    links: tuple[UUID, ...] = ()
    face: NewFace | None = None
    stores_sample: bool = False
    stores_origin: bool = False
    stores_event: bool = False


def holds(conditions: Conditions, attributes: BasicAttributes, matches: Sequence[Match]) -> bool:
    """Whether everything the conditions name is so; an unknown age or gender is not."""
    if conditions.gender is not None and attributes.gender != conditions.gender:
        return False
    if not _within(attributes.age, conditions.age__gte, conditions.age__lt):
        return False
    best = {match.label: match.best for match in matches}
    return all(
        _within(best.get(one.label, 0.0), one.similarity__gte, one.similarity__lt) for one in conditions.match or ()
    )


def _within(value: float | None, low: float | None, high: float | None) -> bool:
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value < high)

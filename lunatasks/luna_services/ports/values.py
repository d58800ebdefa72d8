"""Values that several ports share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint8]
"""(n, 16) uint8: the bytes of n uuids."""

Vectors = NDArray[np.float32]
"""(n, d) float32: n descriptors."""

Vector = NDArray[np.float32]
"""(d,) float32: one descriptor."""

DescriptorKind = Literal["face", "body"]


@dataclass(frozen=True, slots=True)
class BasicAttributes:
    """Estimates of a face: age in years, gender 0 female / 1 male, ethnicity as a code of the contract."""

    age: int | None = None
    gender: int | None = None
    ethnicity: int | None = None


@dataclass(frozen=True, slots=True)
class NewAttributes:
    """Basic attributes of a face or event, the samples they came from, and how often they were made before."""

    object_id: UUID
    attributes: BasicAttributes
    sample_ids: Sequence[UUID] = ()
    generation: int = 1


@dataclass(frozen=True, slots=True)
class StoredDescriptor:
    """A descriptor of a face or event; to write, any length of the vector will do."""

    object_id: UUID
    version: int
    vector: Vector = field(repr=False)
    sample_ids: Sequence[UUID] = ()
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Extractable:
    """An object that may be extracted (again): its stored samples, and the generation of what it has, if any."""

    object_id: UUID
    sample_ids: tuple[UUID, ...]
    generation: int | None

"""What imports of photos count, whatever they make of them."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Summary:
    """Counts of photos, and the seconds of the whole run. `broken`: file and reason of each unreadable photo."""

    photos: int = 0
    other_files: int = 0
    without_face: int = 0
    several_faces: int = 0
    broken: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def photos_per_second(self) -> float:
        """Rate of the whole run."""
        return self.photos / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """All members and the rate, for JSON."""
        return asdict(self) | {
            "seconds": round(self.seconds, 3),
            "photos_per_second": round(self.photos_per_second, 2),
        }

"""The table of promises: how often each was put to the test, what was measured, what was broken."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from workers.torture.checker import Violation

TEXTS = {
    "P1": "an accepted POST is never lost",
    "P2": "each part's effect is applied once",
    "P3": "a stale worker cannot write",
    "P4": "a dead tree is noticed, no finished part is done again",
    "P5": "cancel stops in time, a terminal state never changes",
    "P6": "a result is all or nothing",
    "P7": "same input, same bytes",
    "P8": "loss of the queue is survivable",
    "P9": "wrong clocks of workers do no harm",
    "P10": "a poisonous part is quarantined, the others finish",
    "P11": "loss of the database is survivable",
    "P12": "graceful stop hands back, deploys quarantine nothing",
}
SECONDS = {"P4": 15.0, "P5": 2.0, "P12": 8.0}
"""Promised times. Only twice as much is a violation: a busy machine is no bug."""


@dataclass
class Row:
    """What became of one promise."""

    counts: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    """Figures that do not put the promise to the test."""
    times: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


class Table:
    """Counts, times and violations by promise."""

    def __init__(self) -> None:
        self.rows = {name: Row() for name in TEXTS}
        self.missed: list[str] = []
        """What the plan asked for and what could not be carried out even once."""

    def count(self, promise: str, what: str, number: int = 1) -> None:
        """So many times was the promise put to the test."""
        counts = self.rows[promise].counts
        counts[what] = counts.get(what, 0) + number

    def note(self, promise: str, what: str, number: int) -> None:
        """A figure that is shown beside the counts."""
        self.rows[promise].notes[what] = number

    def time(self, promise: str, seconds: float) -> None:
        """A measured time; twice the promised one is a violation."""
        self.rows[promise].times.append(seconds)
        if seconds > 2 * SECONDS[promise]:
            self.blame([Violation(promise, f"took {seconds:.1f} s, {SECONDS[promise]:.0f} s are promised")])

    def blame(self, violations: Iterable[Violation]) -> None:
        """Note violations, each once."""
        for violation in violations:
            known = self.rows[violation.promise].violations
            if violation.text not in known:
                known.append(violation.text)

    @property
    def violations(self) -> list[Violation]:
        return [Violation(name, text) for name, row in self.rows.items() for text in row.violations]

    @property
    def untried(self) -> list[str]:
        """Promises that nothing put to the test, or whose time nobody took; faults that never came about."""
        promises = [name for name, row in self.rows.items() if not row.violations and not self._is_tried(name, row)]
        return promises + self.missed

    def _is_tried(self, name: str, row: Row) -> bool:
        return any(row.counts.values()) and bool(row.times or name not in SECONDS)

    def render(self) -> str:
        """The table as text."""
        lines = []
        for name, row in self.rows.items():
            counts = ", ".join(f"{number} {what}" for what, number in (row.counts | row.notes).items()) or "not tried"
            lines.append((name, TEXTS[name], counts, _times(name, row.times), _verdict(row)))
        widths = [max(len(line[column]) for line in lines) for column in range(5)]
        rows = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([*rows, *(f"  ! {violation}" for violation in self.violations[:50])])


def _verdict(row: Row) -> str:
    if row.violations:
        return f"BROKEN ({len(row.violations)})"
    return "kept" if any(row.counts.values()) else "-"


def _times(name: str, times: list[float]) -> str:
    if not times:
        return ""
    middle = sorted(times)[len(times) // 2]
    return f"median {middle:.2f} s, worst {max(times):.2f} s, promised {SECONDS[name]:.0f} s"

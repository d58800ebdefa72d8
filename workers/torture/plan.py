"""Which faults a torture injects, in which order, all of it drawn from a seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from workers.faults import POINTS

STOP_POINTS = ("part.claimed", "part.computed", "part.before_commit", "artefact.written", "merge.before_commit")
"""Where a stale worker holds a claim and no lock."""
STOP_POINTS_IN_TRANSACTIONS = ("part.statement", "task.statement", "count.statement", "transaction.statement")
"""Where it holds locks too: PostgreSQL ends its session after a while, SQLite would stop for everybody."""
FULL_DISK_POINTS = ("artefact.opened", "artefact.half_written", "artefact.written")
TREE_POINTS = POINTS
KILLS = ("worker", "point", "tree", "tree_at", "web", "rescue", "queue")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, `wait` seconds after the one before; `chance` decides among what is there then."""

    kind: str
    point: str = ""
    wait: float = 0.0
    chance: float = 0.0

    @property
    def is_kill(self) -> bool:
        return self.kind in KILLS

    def __str__(self) -> str:
        return f"{self.kind} at {self.point}" if self.point else self.kind


def make_plan(*, kills: int, seed: int, own_queue: bool, sqlite: bool = True) -> list[Fault]:
    """`kills` faults that kill, and beside them others in proportion. The same seed makes the same plan."""
    chance = random.Random(seed)  # noqa: S311  a plan, no secret
    stops = STOP_POINTS if sqlite else STOP_POINTS + STOP_POINTS_IN_TRANSACTIONS
    kinds = _killing(kills, chance, own_queue) + _others(kills, chance, stops)
    chance.shuffle(kinds)
    return [Fault(kind, point, chance.uniform(0.02, 0.35), chance.random()) for kind, point in kinds]


def _killing(kills: int, chance: random.Random, own_queue: bool) -> list[tuple[str, str]]:
    # A whole tree takes seconds to come back, a worker a moment: few of those, many of these.
    trees, rare = max(1, kills // 12), max(1, kills // 30)
    kinds = [("tree_at", point) for point in _cycle(TREE_POINTS, trees, chance)]
    kinds += [("tree", "")] * rare + [("web", "")] * rare + [("rescue", "")] * rare
    kinds += [("queue", "")] * (rare if own_queue else 0)
    at_points = max(len(POINTS), (kills - len(kinds)) // 2)
    kinds += [("point", point) for point in _cycle(POINTS, at_points, chance)]
    kinds += [("worker", "")] * max(0, kills - len(kinds))
    chance.shuffle(kinds)
    return kinds[:kills]


def _others(kills: int, chance: random.Random, stops: Sequence[str]) -> list[tuple[str, str]]:
    some = max(1, kills // 20)
    kinds = [("stop", point) for point in _cycle(stops, some, chance)]
    kinds += [("full_disk", point) for point in _cycle(FULL_DISK_POINTS, some, chance)]
    kinds += [("file_limit", "")] + [("flush", "")] * some + [("database", "")] * max(2, some // 2)
    kinds += [("cancel", "")] * (kills // 4) + [("delete", "")] * (kills // 10) + [("rerun", "")] * (kills // 10)
    return kinds


def _cycle(items: Sequence[str], count: int, chance: random.Random) -> list[str]:
    order = chance.sample(items, len(items))
    return [order[number % len(order)] for number in range(count)]

"""SIGKILL of the whole tree at fault points, with the leases that operators have, and the time until it is noticed."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from workers.torture.ledger import Ledger
from workers.torture.mix import SCENARIOS
from workers.torture.promises import Table
from workers.torture.world import World, wait_for

POINTS = ("part.computed", "split.committed", "merge.before_commit", "part.claimed", "split.parts_written",
          "artefact.renamed", "transaction.statement", "task.claimed", "job.received", "dispatch.send")  # fmt: skip
PART_SECONDS = 0.1
REACHED_WITHIN, NOTICED_WITHIN = 20.0, 40.0


@dataclass
class Deaths:
    """Each death meets a task of its own, on a stack that has nothing else to do."""

    world: World
    ledger: Ledger
    table: Table
    drain: Callable[[], None]

    def die_at(self, point: str) -> float | None:
        """The seconds until the death was noticed; None when nobody came to the point."""
        self.drain()
        self.world.slow(PART_SECONDS)
        newest = self._newest()
        order = self.world.order(point, "killtree")
        self.ledger.post(SCENARIOS[0])  # its answer may die with the tree
        if not wait_for(lambda: not order.exists(), REACHED_WITHIN):
            order.unlink(missing_ok=True)
            return None
        killed = self.world.orders.stat().st_mtime  # who takes an order removes its file
        task_id, last = self._newest(), self.world.last_event()
        if task_id == newest:
            return None
        held = self.world.claims_of_task(task_id)
        noticed = wait_for(lambda: self._is_noticed(task_id, held, last), NOTICED_WITHIN)
        self.table.count("P4", "deaths by default settings")
        seconds = time.time() - killed if noticed else NOTICED_WITHIN
        self.table.time("P4", seconds)
        return seconds

    def _newest(self) -> int:
        return int(self.world.rows("SELECT COALESCE(MAX(id), 0) FROM tasks_app_task")[0][0])

    def _is_noticed(self, task_id: int, held: set[tuple[str, int]], last: int) -> bool:
        """Every claim of the dead was released; when they held none, the task went on."""
        events = [event for event in self.world.events(last) if event.task_id == task_id]
        released = {(event.kind, event.row_id) for event in events if event.is_release or event.ends_a_claim}
        return held <= released if held else bool(events)

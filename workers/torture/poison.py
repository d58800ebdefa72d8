"""Parts that end their worker every time: one by SIGKILL, as for want of memory, one by a fault of machine code."""

import signal
from dataclasses import dataclass

from tasks_app.states import Status
from workers.torture.checker import Violation
from workers.torture.ledger import Job, Ledger
from workers.torture.mix import SCENARIOS
from workers.torture.promises import Table
from workers.torture.world import World, kill, wait_for

KILLING, CRASHING = 3, 5
"""Numbers of the poisonous parts."""
QUARANTINED = 28110
ENDED_WITHIN = 90.0


@dataclass
class Poison:
    """One task with both parts; workers stand still until the orders for it are given."""

    world: World
    ledger: Ledger
    table: Table

    def run(self) -> None:
        """Poison, wait for the end, judge."""
        pids = self.world.pids("runworker")
        for pid in pids:
            kill(pid, signal.SIGSTOP)
        job = self.ledger.post(SCENARIOS[0], patient=True)
        assert job is not None  # noqa: S101  nothing is broken yet
        orders = [
            self.world.orders / f"part.claimed.poison.{job.task_id}-0-{KILLING}",
            self.world.orders / f"crash.{job.task_id}-0-{CRASHING}",
        ]
        for order in orders:
            order.touch()
        for pid in pids:
            kill(pid, signal.SIGCONT)
        self.ledger.checked.add(job.task_id)  # it is judged here
        ended = wait_for(lambda: job not in self.ledger.active(), ENDED_WITHIN)
        for order in orders:
            order.unlink()
        self._judge(job, ended)

    def _judge(self, job: Job, ended: bool) -> None:
        parts = dict(
            self.world.rows(f"SELECT number, subtask_status FROM tasks_app_subtask WHERE task_id = {job.task_id}")  # noqa: S608
        )
        failed = {number for number, status in parts.items() if status == Status.FAILED}
        done = {number for number, status in parts.items() if status == Status.DONE}
        codes = self.ledger.codes(job)
        if not ended or failed != {KILLING, CRASHING} or failed | done != set(parts) or codes.count(QUARANTINED) != 2:
            self.table.blame([Violation("P10", f"poison: ended {ended}, parts {parts}, errors {codes}")])
        self.table.count("P10", "poisonous parts", len(failed))

"""Cancels at random phases of tasks whose steps take much longer than promised; the time until every worker let go."""

import time
from dataclasses import dataclass
from functools import partial
from random import Random

from tasks_app.states import Step
from workers.torture.checker import Violation
from workers.torture.ledger import Job, Ledger
from workers.torture.mix import SCENARIOS
from workers.torture.promises import Table
from workers.torture.world import World, wait_for

SLOW_SECONDS = (6.0, 10.0)
"""What a worker that hears of no cancel would take: more than the limit, even more than twice as much."""
LET_GO_WITHIN = 5.0
PHASES = {"split": 3, "parts": 12, "merge": 3, "waiting": 2}
"""Where a cancel may meet its task, and how often. `waiting`: right after the answer to the POST."""
STEPS = ("split", "parts", "merge")
HELD_STEP = {"split": Step.SPLIT, "merge": Step.MERGE}


@dataclass
class Cancels:
    """Cancels one task after the other on a stack that nothing else disturbs."""

    world: World
    ledger: Ledger
    table: Table
    chance: Random

    def run(self, count: int) -> None:
        """So many cancels, each with its time."""
        for _ in range(count):
            [phase] = self.chance.choices(list(PHASES), list(PHASES.values()))
            self._cancel_in(phase)
        for step in STEPS:
            self.world.slow(0, step)

    def _cancel_in(self, phase: str) -> None:
        for step in STEPS:
            self.world.slow(self.chance.uniform(*SLOW_SECONDS) if phase in (step, "waiting") else 0, step)
        job = self.ledger.post(SCENARIOS[0], patient=True)
        if job is None:
            self.table.blame([Violation("P1", "a task to be cancelled was not accepted")])
            return
        if phase != "waiting":
            wait_for(partial(self._holders, job, phase), 20)
            time.sleep(self.chance.uniform(0, 0.7))
        self._cancel(job, phase)

    def _cancel(self, job: Job, phase: str) -> None:
        holders, asked = self._holders(job, phase), time.time()
        status = self.ledger.cancel(job)
        if status != 204:
            self.table.blame([Violation("P5", f"a cancel in the phase {phase} was answered with {status}")])
            return
        self.table.note("P5", f"in the phase {phase}", self.table.rows["P5"].notes.get(f"in the phase {phase}", 0) + 1)
        wait_for(lambda: holders <= self._stopped(job).keys(), LET_GO_WITHIN)
        stopped = self._stopped(job)
        for moment in stopped.values():
            self.table.time("P5", max(0.0, moment - asked))
        missing = holders - stopped.keys()
        if missing:
            text = f"{len(missing)} of {len(holders)} workers did not let go within {LET_GO_WITHIN:.0f} s of a cancel"
            self.table.blame([Violation("P5", f"{text}, phase {phase}, task {job.task_id}")])

    def _holders(self, job: Job, phase: str) -> set[int]:
        """Process ids of the workers that are in the slow step."""
        task = f"SELECT worker FROM tasks_app_task WHERE id = {job.task_id} AND lease_until IS NOT NULL"  # noqa: S608
        parts = f"SELECT worker FROM tasks_app_subtask WHERE task_id = {job.task_id} AND lease_until IS NOT NULL"  # noqa: S608
        step = HELD_STEP.get(phase)
        queries = [f"{task} AND step = {step:d}"] if step is not None else [parts, task][: 1 + (phase == "waiting")]
        return {int(worker.rpartition(":")[2]) for sql in queries for (worker,) in self.world.rows(sql)}

    def _stopped(self, job: Job) -> dict[int, float]:
        """When each worker let go, by process id."""
        paths = self.world.orders.glob(f"stopped.{job.task_id}.*")
        return {int(path.suffix[1:]): float(path.read_text()) for path in paths}

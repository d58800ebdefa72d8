"""The client's side: what was asked for, what was answered, and how each task must therefore end."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tasks_app.states import ACTIVE, Status
from workers.torture.checker import Violation
from workers.torture.mix import SCENARIOS, Scenario, Turn
from workers.torture.operators import Operators
from workers.torture.promises import Table
from workers.torture.stack import StackError
from workers.torture.world import World, chooser

ACTIVE_VALUES = {int(status) for status in ACTIVE}
EXCUSES = {28111, 28112, 28113}
"""Errors of a task that met a full disk; it is run again and must then end well."""
EXCUSED = "tasks run again after a full disk"


@dataclass
class Job:
    """An accepted task. A request without an answer may or may not have been carried out: `..._asked`."""

    task_id: int
    scenario: Scenario
    turn: Turn
    cancel_asked: bool = False
    cancelled: bool = False
    delete_asked: bool = False
    deleted: bool = False
    rerun_asked: bool = False
    met_full_disk: bool = False
    """A disk was full while it was active, and that has not been its excuse yet."""
    answer: str = ""
    """SHA-256 of its result as it was checked; empty while that is to come."""


@dataclass
class Ledger:
    """Posts, cancels, deletes and reruns of tasks, and the check of what became of them."""

    world: World
    table: Table
    seed: int
    clustering_id: int = 0
    """Of a clustering that no fault of a client meets, for reports on it."""
    jobs: dict[int, Job] = field(default_factory=dict)
    digests: dict[str, str] = field(
        default_factory=lambda: {each.name: each.sha256 for each in SCENARIOS if each.sha256}
    )
    """SHA-256 of the calm run's answer, by scenario, where the scenario itself does not know it."""
    checked: set[int] = field(default_factory=set)
    reruns: int = 0
    _disk_is_full: bool = False

    def __post_init__(self) -> None:
        self.operators = Operators(self.world.stack)
        self._chance = chooser(self.seed, "tasks")
        self._posts: Counter[str] = Counter()

    def keep_a_clustering(self) -> None:
        """Make one for reports that is not in the ledger, so that nobody cancels, deletes or reruns it."""
        scenario = SCENARIOS[0]
        status, answer = self.world.ask_until_answered("POST", scenario.path, scenario.body(Turn(0, 0)))
        if status != 202:
            raise StackError(f"the stack accepts no tasks: {self.world.stack.log_tail()}")
        self.clustering_id = json.loads(answer)["task_id"]
        self.world.stack.finish(self.clustering_id)

    def post(self, scenario: Scenario | None = None, *, patient: bool = False) -> Job | None:
        """Post a task; None when it was not accepted."""
        scenario = scenario or self._chance.choices(SCENARIOS, [each.weight for each in SCENARIOS])[0]
        ask = self.world.ask_until_answered if patient else self.world.ask
        self._posts[scenario.name] += 1  # each scenario has objects of its own for some hundred tasks
        turn = Turn(self._posts[scenario.name], self.clustering_id)
        status, answer = ask("POST", scenario.path, scenario.body(turn))
        if status != 202:
            return None
        job = Job(json.loads(answer)["task_id"], scenario, turn, met_full_disk=self._disk_is_full)
        if job.task_id in self.jobs:
            self.table.blame([Violation("P1", f"task {job.task_id} was accepted twice")])
        self.jobs[job.task_id] = job
        self.table.count("P1", "accepted POSTs")
        return job

    def active(self) -> list[Job]:
        """Jobs that have not ended, oldest first."""
        statuses = self.world.statuses()
        return [job for number, job in sorted(self.jobs.items()) if statuses.get(number) in ACTIVE_VALUES]

    def ended(self) -> list[Job]:
        """The others, those that are gone among them."""
        statuses = self.world.statuses()
        return [job for number, job in sorted(self.jobs.items()) if statuses.get(number) not in ACTIVE_VALUES]

    def cancel(self, job: Job) -> int:
        """Cancel, and once more: the second time must be refused and change nothing."""
        job.cancel_asked = True
        status, _ = self.world.ask("PATCH", f"/1/tasks/{job.task_id}")
        if status != 204:
            return status
        job.cancelled = True
        self.table.count("P5", "cancels")
        before = self.world.task(job.task_id)
        again, answer = self.world.ask_until_answered("PATCH", f"/1/tasks/{job.task_id}")
        if again != 400 or json.loads(answer)["error_code"] != 28019:
            self.table.blame([Violation("P5", f"task {job.task_id}: a second cancel was answered with {again}")])
        if self._changed(before, self.world.task(job.task_id)):
            self.table.blame([Violation("P5", f"task {job.task_id} changed after its cancel")])
        return status

    def _changed(self, before: dict[str, object] | None, after: dict[str, object] | None) -> bool:
        names = ("task_status", "end_time", "result_id", "count_task_parts_done")
        return before is None or after is None or any(before[name] != after[name] for name in names)

    def delete(self, job: Job) -> None:
        job.delete_asked = True
        status, _ = self.world.ask("DELETE", f"/1/tasks/{job.task_id}")
        job.deleted = status == 204

    def rerun(self, jobs: list[Job]) -> None:
        """Run ended tasks again, as an operator does; not waited for."""
        for job in jobs:
            job.rerun_asked, job.answer = True, ""
            self.checked.discard(job.task_id)
        if jobs:
            self.operators.rerun(job.task_id for job in jobs)

    def wait_for_operators(self) -> set[int]:
        """Wait until the reruns have been asked for; the tasks whose rerun was accepted."""
        accepted = self.operators.wait()
        self.reruns += len(accepted)
        if accepted:
            self.table.count("P5", "reruns", len(accepted))
        return accepted

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """While a disk may be full: each task that is active meanwhile may fail by it, once."""
        self._meet_full_disk()
        self._disk_is_full = True
        try:
            yield
        finally:
            self._disk_is_full = False
            self._meet_full_disk()

    def _meet_full_disk(self) -> None:
        rerun = self.operators.asked
        for job in [*self.active(), *(job for job in self.jobs.values() if job.task_id in rerun)]:
            job.met_full_disk = True

    # -- the check ---------------------------------------------------------------------------------------

    def check_ended(self) -> int:
        """Every ended job against what its client was told, once each; how many have an excuse and are run again."""
        excused = []
        for job in self.ended():
            if job.task_id in self.checked:
                continue
            self.checked.add(job.task_id)
            task = self.world.task(job.task_id)
            if task is None:
                self._check_absent(job)
            elif self._is_excused(job, task):
                excused.append(job)
            else:
                self._check_outcome(job, task)
        self._run_again(excused)
        return len(excused)

    def _run_again(self, excused: list[Job]) -> None:
        self.rerun(excused)
        accepted = self.wait_for_operators() if excused else set()
        for job in excused:
            # An excuse counts once. Where the operator was not heard, the task stands as the full disk left it.
            job.met_full_disk = job.task_id not in accepted
            self.table.note("P6", EXCUSED, self.table.rows["P6"].notes.get(EXCUSED, 0) + 1)

    def _check_absent(self, job: Job) -> None:
        if not job.delete_asked:
            self.table.blame([Violation("P1", f"task {job.task_id} was accepted and is gone")])
            return
        for table in ("tasks_app_subtask", "errors_app_taskerror"):
            if self.world.rows(f"SELECT id FROM {table} WHERE task_id = {job.task_id} LIMIT 1"):  # noqa: S608
                self.table.blame([Violation("P1", f"task {job.task_id} was deleted, rows of {table} are left")])
        self.table.count("P1", "deletions")

    def _is_excused(self, job: Job, task: dict[str, object]) -> bool:
        """It met a full disk: it failed, or is done without the part that failed, as its type has it."""
        codes = set(self.codes(job)) - {job.scenario.code}
        ended = task["task_status"] in (Status.FAILED, Status.DONE)
        return bool(job.met_full_disk and ended and codes and codes <= EXCUSES)

    def codes(self, job: Job) -> list[int]:
        """Of every stored error of the task."""
        rows = self.world.rows(f"SELECT error_code FROM errors_app_taskerror WHERE task_id = {job.task_id}")  # noqa: S608
        return sorted(code for (code,) in rows)

    def _check_outcome(self, job: Job, task: dict[str, object]) -> None:
        status, codes = task["task_status"], self.codes(job)
        if job.deleted:
            self.table.blame([Violation("P1", f"task {job.task_id} was deleted and is there")])
        if status == Status.CANCELLED and job.cancel_asked:
            return
        if job.cancelled and not job.rerun_asked:
            self.table.blame([Violation("P5", f"task {job.task_id} was cancelled and has status {status}")])
        if status != job.scenario.expected or codes != ([job.scenario.code] if job.scenario.code else []):
            self.table.blame([Violation("P1", f"task {job.task_id} ended in status {status} with errors {codes}")])
        if status == Status.DONE:
            self._check_result(job)
            self._check_effects(job)

    def _check_result(self, job: Job) -> None:
        status, result = self.world.ask_until_answered("GET", f"/1/tasks/{job.task_id}/result")
        if status != 200:
            self.table.blame([Violation("P6", f"task {job.task_id} is done, its result is answered with {status}")])
            return
        self.table.count("P6", "results read")
        job.answer = hashlib.sha256(result).hexdigest()
        wrong = job.scenario.check(result) or ("" if job.rerun_asked else job.scenario.check_first(result))
        if wrong:
            self.table.blame([Violation("P2", f"task {job.task_id}: {wrong}")])
        self._compare(job, job.scenario.essence(result))

    def _compare(self, job: Job, essence: bytes) -> None:
        if not essence:
            return
        digest = hashlib.sha256(essence).hexdigest()
        if self.digests.setdefault(job.scenario.name, digest) != digest:
            self.table.blame([Violation("P7", f"task {job.task_id}, {job.scenario.name}: other bytes than before")])
        self.table.count("P7", "equal results")

    def check_again(self) -> None:
        """Every result that was right once more: it is there still, and the same."""
        for job in self.jobs.values():
            if not job.answer or job.delete_asked:
                continue
            status, result = self.world.ask_until_answered("GET", f"/1/tasks/{job.task_id}/result")
            if status != 200:
                self.table.blame(
                    [Violation("P6", f"task {job.task_id}: its result was there and is answered with {status}")]
                )
            elif hashlib.sha256(result).hexdigest() != job.answer:
                self.table.blame([Violation("P7", f"task {job.task_id}: its result has changed")])
            self.table.count("P7", "results read again")

    def _check_effects(self, job: Job) -> None:
        for sql, expected in job.scenario.effects(job.turn):
            [(found,)] = self.world.rows(sql)
            if found != expected:
                self.table.blame([Violation("P2", f"task {job.task_id}: {found}, not {expected}: {sql}")])
            self.table.count("P2", "effects checked")

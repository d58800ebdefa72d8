"""One torture of one stack: calm run, deploys, cancels, poison, the plan's kills, deaths by default settings."""

import json
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tasks_app.states import Status
from workers.torture import ground
from workers.torture.acts import Acts
from workers.torture.checker import Violation, check
from workers.torture.cluster import Cluster
from workers.torture.history import Event
from workers.torture.init import Init
from workers.torture.ledger import Job, Ledger
from workers.torture.mix import PARTS, SCENARIOS
from workers.torture.plan import Fault, make_plan
from workers.torture.promises import Table
from workers.torture.stack import Stack, StackError
from workers.torture.world import World, chooser, kill, wait_for

QUICK = {
    "LUNATASKS_LEASE_SECONDS": "2",
    "LUNATASKS_BEAT_SECONDS": "0.5",
    "LUNATASKS_RESCUE_SECONDS": "0.5",
    "LUNATASKS_REDISPATCH_SECONDS": "2",
}
CLOCK_OFFSET = 3600
MAX_LOST, MANY_LOST = 3, 100
"""Lost leases until quarantine: the default, and, while we kill at random, so many that none is hit by chance."""
QUIET_SECONDS = 15.0
"""Without one change in the history for so long, an active task has been lost."""
DRAIN_SECONDS = 180.0
KILLS_BETWEEN_CHECKS = 20
PART_SECONDS = 0.02
POISONED = 3
LONG = 500
"""From so many kills on there are more cancels too."""
TREE_DEATHS = ("part.computed", "split.committed", "merge.before_commit", "part.claimed", "split.parts_written",
               "artefact.renamed", "transaction.statement", "task.claimed")  # fmt: skip


@dataclass
class Options:
    """What is asked of a torture."""

    kills: int
    seed: int
    database: str = ""
    queue: str = ""
    bug: str = ""
    digests: Path | None = None
    """Where the hashes of the results are written, to be compared with those of another back end."""


@dataclass
class Torture:
    """Call `run`; the table then holds the verdict."""

    options: Options
    show: Callable[[str], None]
    table: Table = field(default_factory=Table)
    cluster: Cluster | None = None
    events: list[Event] = field(default_factory=list)

    def run(self) -> None:
        """All stages; with a deliberate bug only the kills, and those until it is found."""
        self._started = time.monotonic()
        stack = Stack(database=self.options.database, queue=self.options.queue, workers=1)
        with stack:
            self.stack, self.world = stack, World(stack)
            self.ledger = Ledger(self.world, self.table, self.options.seed)
            self.acts = Acts(self.world, self.ledger, self.table, self.cluster)
            self._prepare()
            with Init(stack) as self.init:
                self._stages()
            if self.table.violations:
                self._keep_log()
            elif self.options.digests:
                self.options.digests.write_text(json.dumps(self.ledger.digests, indent=1, sort_keys=True))

    def _stages(self) -> None:
        self._calm()
        if not self.options.bug:
            self._deploys()
            self._cancels()
            self._poison()
        self._settings({"LUNATASKS_MAX_LOST": str(MANY_LOST)}, workers=2)
        self._kills()
        if not self.options.bug:
            self._deaths_by_default_settings()
            self._check_all()
        for name, digest in self.ledger.digests.items():
            self.say(f"bytes of {name!r}: sha256 {digest}")
        self.table.count("P9", "commits under clocks an hour wrong", self._commits())

    def _keep_log(self) -> None:
        log = Path(tempfile.gettempdir()) / f"{self.stack.name}.log"
        shutil.copyfile(self.stack.home / "stack.log", log)
        self.say(f"the log of the stack: {log}")

    @property
    def kills(self) -> int:
        return self.acts.kills

    # -- stages ------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self.stack.environment |= (
            QUICK
            | PARTS
            | {
                "LUNATASKS_FAULTS_DIR": str(self.world.orders),
                "LUNATASKS_CLOCK_OFFSET": str(CLOCK_OFFSET),
                "LUNATASKS_IMPORT_ROOTS": str(ground.import_root(self.stack)),
                "LUNATASKS_BUG": self.options.bug,
            }
        )
        self.stack.command("migrate", "--verbosity", "0")
        ground.fill(self.stack)
        self.world.begin_history()

    def _calm(self) -> None:
        self.say("calm run with 1 worker")
        self.ledger.keep_a_clustering()
        self._run_mix()

    def _run_mix(self) -> None:
        jobs = [self.ledger.post(scenario, patient=True) for scenario in SCENARIOS]
        if None in jobs:
            raise StackError(f"the stack accepts no tasks: {self.stack.log_tail()}")
        self._drain()
        self._check_all()
        self.table.count("P7", "numbers of workers")

    def _deploys(self) -> None:
        """Three times SIGTERM and a start in mid-task, with another number of workers each time."""
        job = self._slow_job(0.4)
        for workers in (4, 2, 4):
            wait_for(lambda: self._leased(job.task_id), 20)
            self.stack.workers = workers
            seconds, code = self.init.deploy()
            self.table.count("P12", "deploys in mid-task")
            self.table.time("P12", seconds)
            if code != 0:
                self.table.blame([Violation("P12", f"the tree ended with code {code}")])
            self.say(f"deploy: ended in {seconds:.1f} s, then {workers} workers")
        self.world.slow(0, job.task_id)
        self._run_mix()
        lost = [event for event in self.events if event.task_id == job.task_id and event.is_release]
        if lost:
            self.table.blame([Violation("P12", f"{len(lost)} leases were lost in deploys")])

    def _cancels(self) -> None:
        """Cancels at random phases; the time until the last worker has let go."""
        chance = chooser(self.options.seed, "cancels")
        for _ in range(max(6, self.options.kills * (2 if self.options.kills >= LONG else 1) // 5)):
            job = self._slow_job(0.5)
            if chance.random() < 0.7:  # the others meet split and waiting parts too
                wait_for(partial(self._leased, job.task_id), 10)
            time.sleep(chance.uniform(0, 0.7))
            asked = time.time()
            if self.ledger.cancel(job) != 204:
                continue
            time.sleep(0.6)
            for path in self.world.orders.glob(f"stopped.{job.task_id}.*"):
                self.table.time("P5", max(0.0, float(path.read_text() or asked) - asked))
        self.say(f"cancels: {self.table.rows['P5'].counts.get('cancels', 0)}")
        self._drain()

    def _poison(self) -> None:
        """A part that kills its worker every time; workers stand still until the order for it is given."""
        pids = self.world.pids("runworker")
        for pid in pids:
            kill(pid, signal.SIGSTOP)
        job = self.ledger.post(SCENARIOS[0], patient=True)
        assert job is not None  # noqa: S101  nothing is broken yet
        order = self.world.orders / f"part.claimed.poison.{job.task_id}-0-{POISONED}"
        order.touch()
        for pid in pids:
            kill(pid, signal.SIGCONT)
        self.ledger.checked.add(job.task_id)  # it has a check of its own
        ended = wait_for(lambda: job not in self.ledger.active(), 60)
        order.unlink()
        parts = dict(
            self.world.rows(f"SELECT number, subtask_status FROM tasks_app_subtask WHERE task_id = {job.task_id}")  # noqa: S608
        )
        codes = self.ledger.codes(job)
        others = {status for number, status in parts.items() if number != POISONED}
        if not ended or parts.get(POISONED) != Status.FAILED or others != {Status.DONE} or 28110 not in codes:
            self.table.blame([Violation("P10", f"poison: ended {ended}, parts {parts}, errors {codes}")])
        self.table.count("P10", "poisonous parts")
        self.say("poison: the part was given up, the others finished")
        self._check_history(MAX_LOST)

    def _kills(self) -> None:
        plan = make_plan(kills=self.options.kills, seed=self.options.seed, own_queue=not self.options.queue)
        self.world.slow(PART_SECONDS)
        next_check = KILLS_BETWEEN_CHECKS
        for fault in plan + self._spare(plan):
            if self.kills >= self.options.kills:
                break
            self._inject(fault)
            if self.kills >= next_check:
                next_check += KILLS_BETWEEN_CHECKS
                self._drain()
                self._check_all()
                if self.options.bug and self.table.violations:
                    return
        self._drain()
        self._check_all()

    def _spare(self, plan: list[Fault]) -> list[Fault]:
        """Kills of workers instead of those whose point was not reached."""
        chance = chooser(self.options.seed, "spare")
        return [Fault("worker", "", chance.uniform(0.1, 0.5), chance.random()) for _ in range(len(plan))]

    def _inject(self, fault: Fault) -> None:
        give_up = time.monotonic() + fault.wait
        while True:
            self.acts.feed()
            if time.monotonic() > give_up:
                break
            time.sleep(0.03)
        done = self.acts.carry_out(fault)
        broken = self.world.broken_files()
        self.table.count("P6", "looks at the files")
        self.table.blame(Violation("P6", f"half a file under its final name: {path}") for path in broken)
        self.say(f"{fault}" + ("" if done else ": not possible now"))

    def _deaths_by_default_settings(self) -> None:
        """SIGKILL of the whole tree at fault points, with the leases that operators have."""
        for name in QUICK:
            del self.stack.environment[name]
        self._settings({"LUNATASKS_MAX_LOST": str(MANY_LOST)}, workers=2)
        points = chooser(self.options.seed, "deaths").sample(TREE_DEATHS, len(TREE_DEATHS))
        wanted = max(1, self.options.kills // 60)
        for point in points * 2:
            wanted -= self._die_at(point)
            if not wanted:
                break
        self._drain()

    def _die_at(self, point: str) -> bool:
        """Whether the point was reached."""
        order = self.world.order(point, "killtree")
        job = self._slow_job(0.1)
        if not wait_for(lambda: not order.exists(), 20):
            order.unlink(missing_ok=True)
            return False
        killed, last = time.time(), self._last_event()
        held = self._leased(job.task_id)
        self.table.count("P4", "deaths by default settings")
        self.acts.kills += 1
        noticed = wait_for(lambda: self._is_noticed(job.task_id, held, last), 40)
        self.table.time("P4", time.time() - killed if noticed else 40.0)
        self.say(f"death of the tree at {point}: noticed after {time.time() - killed:.1f} s")
        return True

    def _is_noticed(self, task_id: int, held: set[int], last: int) -> bool:
        """Every claim of the dead was released; when they held none, the task went on."""
        events = [event for event in self._events_after(last) if event.task_id == task_id]
        released = {event.row_id for event in events if event.is_release or event.is_claim}
        return held <= released if held else bool(events)

    # -- inside ------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        self.show(f"[{time.monotonic() - self._started:6.1f} s] {self.kills:3} kills  {text}")

    def _settings(self, environment: dict[str, str], *, workers: int) -> None:
        self.stack.environment |= environment
        self.stack.workers = workers
        self.init.deploy()
        if not wait_for(lambda: len(self.world.pids("runworker")) >= workers, 60):
            raise StackError(f"the stack does not start: {self.stack.log_tail()}")

    def _slow_job(self, seconds: float) -> Job:
        job = self.ledger.post(SCENARIOS[0], patient=True)
        if job is None:
            raise StackError(f"the stack accepts no tasks: {self.stack.log_tail()}")
        self.world.slow(seconds, job.task_id)
        return job

    def _leased(self, task_id: int) -> set[int]:
        """Rows of the task, parts and itself, that a worker holds."""
        return {
            row
            for table, name in (("tasks_app_subtask", "task_id"), ("tasks_app_task", "id"))
            for (row,) in self.world.rows(
                f"SELECT id FROM {table} WHERE {name} = {task_id} AND lease_until IS NOT NULL"  # noqa: S608
            )
        }

    def _last_event(self) -> int:
        return int(self.world.rows("SELECT COALESCE(MAX(id), 0) FROM torture_history")[0][0])

    def _events_after(self, last: int) -> list[Event]:
        return self.world.events(last)

    def _drain(self) -> None:
        """Wait until every accepted task has ended; one that nobody works on any more is lost."""
        self.ledger.wait_for_operators()
        give_up = time.monotonic() + DRAIN_SECONDS
        last, changed = -1, time.monotonic()
        while left := self.ledger.active():
            now = self._last_event()
            if now != last or not self._is_up():
                last, changed = now, time.monotonic()
            if time.monotonic() - changed > self._quiet() or time.monotonic() > give_up:
                names = ", ".join(str(job.task_id) for job in left[:10])
                self.table.blame([Violation("P1", f"accepted and never ended: {names}; {self._stuck(left[0])}")])
                return
            time.sleep(0.25)

    def _is_up(self) -> bool:
        return self.world.ask("GET", "/version")[0] == 200 and bool(self.world.pids("rescuetasks"))

    def _quiet(self) -> float:
        """A tree needs seconds to come back; by default settings a lost message needs more."""
        return QUIET_SECONDS if "LUNATASKS_LEASE_SECONDS" in self.stack.environment else 3 * QUIET_SECONDS

    def _stuck(self, job: Job) -> str:
        sql = "SELECT {} FROM {} WHERE {} = {}"
        columns = "task_status, step, run, phase, attempt, lost_count, lease_until, dispatched_at"
        task = self.world.rows(sql.format(columns, "tasks_app_task", "id", job.task_id))
        parts = self.world.rows(
            sql.format("number, subtask_status, attempt, lease_until", "tasks_app_subtask", "task_id", job.task_id)
            + f" AND subtask_status IN ({Status.PENDING:d}, {Status.IN_PROGRESS:d})"
        )
        return f"task {task}, open parts {parts[:3]}"

    def _check_all(self) -> None:
        self.ledger.check_ended()
        self.ledger.wait_for_operators()
        if self.ledger.active():  # what met a full disk was run again
            self._drain()
            self.ledger.check_ended()
        self._check_history(MANY_LOST if "LUNATASKS_MAX_LOST" in self.stack.environment else MAX_LOST)
        counts = (len(self.events), len(self.ledger.checked), len(self.table.violations))
        self.say("checked: {} events, {} tasks, {} violations".format(*counts))

    def _check_history(self, max_lost: int) -> None:
        self.events += self.world.events(self.events[-1].id if self.events else 0)
        self.table.blame(check(self.events, max_lost=min(max_lost, MAX_LOST)))
        self.table.rows["P2"].counts["commits"] = self._commits()
        self.table.note("P4", "events checked", len(self.events))

    def _commits(self) -> int:
        return sum(event.kind == "part" and event.status == Status.DONE != event.old_status for event in self.events)


@contextmanager
def own_cluster(options: Options) -> Iterator[Cluster | None]:
    """A PostgreSQL of our own when the database is called `own`."""
    if options.database != "own":
        yield None
        return
    with Cluster() as cluster:
        options.database = cluster.url
        yield cluster

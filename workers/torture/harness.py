"""One torture of one stack: calm run, deploys, cancels, poison, the plan's kills, deaths by default settings."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tasks_app.states import Status
from workers.torture import ground
from workers.torture.acts import Acts
from workers.torture.bugs import BUGS
from workers.torture.cancels import Cancels
from workers.torture.checker import Violation, check
from workers.torture.cluster import Cluster
from workers.torture.deaths import POINTS as POINTS_OF_DEATHS
from workers.torture.deaths import Deaths
from workers.torture.history import Event
from workers.torture.init import Init
from workers.torture.ledger import ACTIVE_VALUES, Job, Ledger
from workers.torture.mix import PARTS, SCENARIOS
from workers.torture.plan import TREE_POINTS, Fault, make_plan
from workers.torture.poison import Poison
from workers.torture.promises import Table
from workers.torture.remains import Remains
from workers.torture.stack import Stack, StackError
from workers.torture.world import World, chooser, wait_for

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
KILLS_BETWEEN_CHECKS, KILLS_BETWEEN_CHECKS_OF_A_BUG = 20, 5
PART_SECONDS = 0.02
LONG = 500
"""From so many kills on there are more cancels, and the tree must have died at every point."""
TRIES = 4
"""How often what did not come about is tried again."""
FEWEST_DEATHS = 2
EXCUSED_ROUNDS = 3


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
            if self.table.violations or self.table.missed:
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
            self._last_look()
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

    @property
    def found(self) -> list[Violation]:
        """Violations by which the deliberate bug is found."""
        breaks = BUGS[self.options.bug].breaks if self.options.bug else ()
        return [violation for violation in self.table.violations if violation.promise in breaks]

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
            wait_for(lambda: self.world.claims_of_task(job.task_id), 20)
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
        chance = chooser(self.options.seed, "cancels")
        Cancels(self.world, self.ledger, self.table, chance).run(
            max(6, self.options.kills * (2 if self.options.kills >= LONG else 1) // 5)
        )
        self.say(f"cancels: {self.table.rows['P5'].counts.get('cancels', 0)}")
        self._drain()

    def _poison(self) -> None:
        Poison(self.world, self.ledger, self.table).run()
        self.say(f"poison: {self.table.rows['P10'].counts.get('poisonous parts', 0)} parts were given up")
        self._check_history(MAX_LOST)

    def _kills(self) -> None:
        options = self.options
        plan = make_plan(
            kills=options.kills, seed=options.seed, own_queue=not options.queue, sqlite=not options.database
        )
        between = KILLS_BETWEEN_CHECKS_OF_A_BUG if options.bug else KILLS_BETWEEN_CHECKS
        self.world.slow(PART_SECONDS)
        next_check = between
        for fault in plan + self._spare(plan):
            if fault.is_kill and self.kills >= options.kills:
                continue  # what is no kill is still to come
            self._inject(fault)
            if self.kills >= next_check:
                next_check += between
                self._drain()
                self._check_all()
            if self.found:
                return
        if not options.bug:
            self._try_again(plan)
        self._drain()
        self._check_all()

    def _spare(self, plan: list[Fault]) -> list[Fault]:
        """Kills of workers instead of those whose point was not reached."""
        chance = chooser(self.options.seed, "spare")
        return [Fault("worker", "", chance.uniform(0.1, 0.5), chance.random()) for _ in range(len(plan))]

    def _try_again(self, plan: list[Fault]) -> None:
        """What never came about once more, beyond the plan; what does not come about then either fails the torture."""
        kinds = {fault.kind: fault for fault in plan}
        for kind in sorted(self.acts.never(kinds)):
            self._insist(kinds[kind], lambda fault: not self.acts.never([fault.kind]))
        points = TREE_POINTS if self.options.kills >= LONG else ()
        for point in (point for point in points if point not in self.acts.tree_points):
            self._insist(Fault("tree_at", point, 0.1, 0.5), lambda fault: fault.point in self.acts.tree_points)

    def _insist(self, fault: Fault, has_come: Callable[[Fault], bool]) -> None:
        for _ in range(TRIES):
            self._inject(fault)
            self.ledger.wait_for_operators()
            if has_come(fault):
                return
        self.table.missed.append(str(fault))

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
        for name in QUICK:
            del self.stack.environment[name]
        self._settings({"LUNATASKS_MAX_LOST": str(MANY_LOST)}, workers=2)
        deaths = Deaths(self.world, self.ledger, self.table, self._drain)
        points = chooser(self.options.seed, "deaths").sample(POINTS_OF_DEATHS, len(POINTS_OF_DEATHS))
        wanted = min(len(points), max(FEWEST_DEATHS, self.options.kills // 50))
        for point in points * 2:
            seconds = deaths.die_at(point)
            self.say(f"death of the tree at {point}: " + (f"noticed after {seconds:.1f} s" if seconds else "not met"))
            self.acts.kills += seconds is not None
            wanted -= seconds is not None
            if not wanted:
                break
        self._drain()

    def _last_look(self) -> None:
        """At rest: all results once more, and every file is one that a row names."""
        self._check_all()
        self.ledger.check_again()
        self.stack.command("rescuetasks")  # it sweeps what is nobody's
        self.table.blame(Remains(self.world, self.table).violations())
        self._check_history(MANY_LOST)

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

    def _drain(self) -> None:
        """Wait until every accepted task has ended; one that nobody works on any more is lost."""
        self.ledger.wait_for_operators()
        give_up = time.monotonic() + DRAIN_SECONDS
        last, changed = -1, time.monotonic()
        while left := self._unfinished():
            now = self.world.last_event()
            if now != last or not self._is_up():
                last, changed = now, time.monotonic()
            if time.monotonic() - changed > self._quiet() or time.monotonic() > give_up:
                names = ", ".join(map(str, left[:10]))
                self.table.blame([Violation("P1", f"accepted and never ended: {names}; {self._stuck(left[0])}")])
                return
            time.sleep(0.25)

    def _unfinished(self) -> list[int]:
        """Tasks that are there and have not ended; those whose POST was never answered among them."""
        return sorted(number for number, status in self.world.statuses().items() if status in ACTIVE_VALUES)

    def _is_up(self) -> bool:
        return self.world.ask("GET", "/version")[0] == 200 and bool(self.world.pids("rescuetasks"))

    def _quiet(self) -> float:
        """A tree needs seconds to come back; by default settings a lost message needs more."""
        return QUIET_SECONDS if "LUNATASKS_LEASE_SECONDS" in self.stack.environment else 3 * QUIET_SECONDS

    def _stuck(self, task_id: int) -> str:
        sql = "SELECT {} FROM {} WHERE {} = {}"
        columns = "task_status, step, run, phase, attempt, lost_count, lease_until, dispatched_at"
        task = self.world.rows(sql.format(columns, "tasks_app_task", "id", task_id))
        parts = self.world.rows(
            sql.format("number, subtask_status, attempt, lease_until", "tasks_app_subtask", "task_id", task_id)
            + f" AND subtask_status IN ({Status.PENDING:d}, {Status.IN_PROGRESS:d})"
        )
        return f"task {task}, open parts {parts[:3]}"

    def _check_all(self) -> None:
        self.ledger.wait_for_operators()
        for _ in range(EXCUSED_ROUNDS):
            if not self.ledger.check_ended():
                break
            self._drain()  # what met a full disk was run again
        self._check_history(MANY_LOST if "LUNATASKS_MAX_LOST" in self.stack.environment else MAX_LOST)
        counts = (len(self.events), len(self.ledger.checked), len(self.table.violations))
        self.say("checked: {} events, {} tasks, {} violations".format(*counts))

    def _check_history(self, max_lost: int) -> None:
        # All of it: on PostgreSQL an event may turn up behind later ones, when its transaction was the longer one.
        self.events = self.world.events()
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

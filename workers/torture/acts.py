"""How each kind of fault is carried out on a stack."""

import resource
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from workers.torture import history
from workers.torture.checker import Violation
from workers.torture.cluster import Cluster
from workers.torture.ledger import Ledger
from workers.torture.plan import Fault
from workers.torture.promises import Table
from workers.torture.world import World, is_process, kill, wait_for

LEASE = 2.0
SLOW_FROM = 1.5
"""Seconds, less than the lease: what waited before a worker was stopped is done by then."""
TAKEN_OVER_WITHIN = 12.0
"""Seconds: the lease, the end of a session that holds locks, a pass of rescue, another worker's claim."""
SELDOM = ("rescue.", "heartbeat.")
"""Points that only a lost claim, or a long part, brings somebody to."""
LONG_PART = 1.5
SHORT_PART = 0.02
REACHED_WITHIN = 10.0
BACK_WITHIN = 20.0
DATABASE_AWAY = 2.5
SMALL_FILE = 4096
WANTED_ACTIVE = 4
LOOK_SECONDS = 0.15


@dataclass
class Acts:
    """One method a kind of fault; each returns what it did, or nothing when it could not be done now."""

    world: World
    ledger: Ledger
    table: Table
    cluster: Cluster | None = None
    kills: int = 0
    carried_out: set[str] = field(default_factory=set)
    """Kinds of faults that came about."""
    tree_points: set[str] = field(default_factory=set)
    """Points at which the whole tree was killed."""
    _next_look: float = 0.0

    def carry_out(self, fault: Fault) -> str:
        act: Callable[[Fault], str] = getattr(self, f"do_{fault.kind}")
        done = act(fault)
        if done:
            self.carried_out.add(fault.kind)
        return done

    def never(self, kinds: Iterable[str]) -> set[str]:
        """Those that never came about; a rerun has when an operator's was accepted."""
        return {kind for kind in kinds if kind not in self.carried_out or (kind == "rerun" and not self.ledger.reruns)}

    def feed(self) -> None:
        """Keep the workers busy; looked at now and then only, since the harness shares the machine with its stack."""
        now = time.monotonic()
        if now < self._next_look:
            return
        if len(self.ledger.active()) < WANTED_ACTIVE:
            self.ledger.post()
        self._next_look = now + LOOK_SECONDS

    # kills

    def do_worker(self, fault: Fault) -> str:
        pid = self.world.some_worker(fault.chance)
        return self._killed("P1", "kills of workers") if kill(pid) else ""

    def do_point(self, fault: Fault) -> str:
        if not self._comes_to(fault, "kill"):
            return ""
        return self._killed("P6" if "artefact" in fault.point else "P1", "kills at fault points")

    def do_tree(self, fault: Fault) -> str:
        supervisor = self.world.stack.supervisor
        if supervisor is None or not kill(supervisor.pid):
            return ""
        return self._killed("P4", "kills of the whole tree")

    def do_tree_at(self, fault: Fault) -> str:
        if not self._comes_to(fault, "killtree"):
            return ""
        self.tree_points.add(fault.point)
        return self._killed("P4", "kills of the whole tree at fault points")

    def _comes_to(self, fault: Fault, action: str) -> bool:
        """Whether somebody came to the point and met the fault; for points that are seldom met, give a reason to."""
        is_seldom = fault.point.startswith(SELDOM)
        if is_seldom:
            self.world.slow(LONG_PART)
        try:
            if fault.point.startswith("rescue."):
                self._lose_a_claim()
            return self._reached(self.world.order(fault.point, action))
        finally:
            if is_seldom:
                self.world.slow(SHORT_PART)

    def _lose_a_claim(self) -> None:
        """Kill a worker that holds something, when no dead one does already."""
        give_up = time.monotonic() + BACK_WITHIN
        while not (holders := self.world.holders()) and time.monotonic() < give_up:
            self.feed()
            time.sleep(0.05)
        alive = holders & set(self.world.pids("runworker"))
        if alive and kill(min(alive)):
            self._killed("P1", "kills of workers")

    def do_web(self, fault: Fault) -> str:
        """The web server's processes; the supervisor ends the tree, the init system starts it again."""
        pids = self._whom(lambda: self.world.pids("granian"))
        if not pids or not kill(pids[0]):
            return ""
        if not wait_for(lambda: not any(is_process(pid) for pid in pids), 15):
            self.table.blame([Violation("P1", "processes of the web server outlived their parent")])
        return self._killed("P1", "kills of the web server")

    def do_rescue(self, fault: Fault) -> str:
        return (
            self._killed("P1", "kills of rescue")
            if any(map(kill, self._whom(lambda: self.world.pids("rescuetasks"))))
            else ""
        )

    def do_queue(self, fault: Fault) -> str:
        return (
            self._killed("P8", "kills of the queue server")
            if any(map(kill, self._whom(self.world.queue_servers)))
            else ""
        )

    def _whom(self, find: Callable[[], list[int]]) -> list[int]:
        """Whoever is to be killed; a tree that was killed just before takes seconds to come back."""
        wait_for(find, BACK_WITHIN, pause=0.1)
        return find()

    def _killed(self, promise: str, what: str) -> str:
        self.kills += 1
        self.table.count(promise, what)
        return what

    def _reached(self, order: Path) -> bool:
        """Feed the workers until the order has been carried out; it is taken back after a while."""
        self.world.some_worker(0)  # the time counts from when the tree is there
        give_up = time.monotonic() + REACHED_WITHIN
        while order.exists() and time.monotonic() < give_up:
            self.feed()
            time.sleep(0.03)
        try:
            order.unlink()
        except FileNotFoundError:
            return True
        return False

    # what is no kill

    def do_stop(self, fault: Fault) -> str:
        """SIGSTOP until another claim of the work or its end, then SIGCONT: a stale worker goes on where it was."""
        if not self._reached(self.world.order(fault.point, "stop")):
            return ""
        wait_for(self.world.stopped_process, 5)
        pid = self.world.stopped_process()
        if pid is None:
            return ""
        try:
            is_stale = self._is_taken_over(pid)
        finally:
            kill(pid, signal.SIGCONT)
        if not is_stale:
            return ""
        self.table.count("P3", "stale workers that went on")
        return f"a worker slept at {fault.point}"

    def _is_taken_over(self, pid: int) -> bool:
        """Wait until the history says so of something that the stopped process holds.

        Nothing new is posted meanwhile, so that its turn comes. Who takes over a part is busy with it for a while: the
        stale worker goes on beside it.
        """
        last = self.world.last_event()
        held = [claim for claim in self.world.claims() if claim.pid == pid]
        rows, tasks = {claim.row for claim in held}, {claim.task_id for claim in held}
        if not rows:
            return False
        time.sleep(SLOW_FROM)
        try:
            for task_id in tasks:
                self.world.slow(LONG_PART, task_id)
            return wait_for(lambda: self._is_ended(rows, last), TAKEN_OVER_WITHIN, pause=0.1)
        finally:
            for task_id in tasks:
                self.world.slow(SHORT_PART, task_id)

    def _is_ended(self, rows: set[tuple[str, int]], last: int) -> bool:
        return any((event.kind, event.row_id) in rows and event.ends_a_claim for event in self.world.events(last))

    def do_full_disk(self, fault: Fault) -> str:
        with self.ledger.full_disk():
            if not self._reached(self.world.order(fault.point, "nospace")):
                return ""
        self.table.count("P6", "full disks")
        return f"no space at {fault.point}"

    def do_file_limit(self, fault: Fault) -> str:
        """RLIMIT_FSIZE of a worker: every larger file, the database's among them, is cut off by the kernel."""
        pid = self.world.some_worker(fault.chance)
        if pid is None:
            return ""
        with self.ledger.full_disk(), suppress(ProcessLookupError, PermissionError):
            soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (SMALL_FILE, hard))
            give_up = time.monotonic() + 1.5
            while time.monotonic() < give_up:
                self.feed()
                time.sleep(0.1)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
            self.table.count("P6", "file size limits")
            return "a file size limit"
        return ""

    def do_flush(self, fault: Fault) -> str:
        if not self.world.flush_queue():
            return ""
        self.table.count("P8", "flushes of the queue")
        return "the queue was emptied"

    def do_cancel(self, fault: Fault) -> str:
        jobs = [job for job in self.ledger.active() if not job.cancel_asked]
        if not jobs:
            return ""
        return "a cancel" if self.ledger.cancel(jobs[int(fault.chance * len(jobs))]) == 204 else ""

    def do_delete(self, fault: Fault) -> str:
        jobs = [job for job in self.ledger.jobs.values() if not job.delete_asked][-10:]
        if not jobs:
            return ""
        self.ledger.delete(jobs[int(fault.chance * len(jobs))])
        return "a deletion"

    def do_rerun(self, fault: Fault) -> str:
        jobs = [job for job in self.ledger.ended() if not job.delete_asked][-10:]
        if not jobs:
            return ""
        self.ledger.rerun([jobs[int(fault.chance * len(jobs))]])
        return "a rerun"

    # the database

    def do_database(self, fault: Fault) -> str:
        if not self.world.stack.database:
            what = self._lock_database()
        elif self.cluster:
            what = self._restart_database("immediate" if fault.chance < 0.5 else "fast")
        else:
            what = self._refuse_connections()
        self.table.count("P11", what)
        return what

    def _lock_database(self) -> str:
        with history.connected("", str(self.world.stack.home / "db.sqlite3")) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(LEASE + 0.5)
            connection.execute("ROLLBACK")
        return "locks past the lease"

    def _restart_database(self, mode: str) -> str:
        assert self.cluster is not None  # noqa: S101  the caller's branch
        self.cluster.stop(mode)
        time.sleep(DATABASE_AWAY)
        self.cluster.start()
        return f"restarts of the server ({mode})"

    def _refuse_connections(self) -> str:
        """All sessions of the stack's database end, and none is let in for a while."""
        name = self.world.stack.name
        with psycopg.connect(self.world.stack.database, autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            try:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
                time.sleep(DATABASE_AWAY)
            finally:
                connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        return "refused and ended connections"

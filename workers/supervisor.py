"""One process tree: queue server, web, workers, rescue.

A worker or rescue that dies is started again, with a growing pause; when the web server or the queue server dies, or
a child dies at once again and again, the whole tree ends with an error that names it. All children are killed by
the kernel when the supervisor is (PR_SET_PDEATHSIG).
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from django.conf import settings

from workers.parents import die_with

logger = logging.getLogger(__name__)

GRACE_SECONDS = 8.5
POLL_SECONDS = 0.1
YOUNG_SECONDS = 5.0
LONGEST_ROW = 10
"""Of young deaths that make the pause longer."""
LONGEST_PAUSE = 5.0
MOST_FAILED_STARTS = 8


class TreeEnded(Exception):
    """The tree cannot go on; the text names the process."""


class StopAsked(Exception):
    """SIGTERM or Ctrl-C."""


@dataclass
class Child:
    """A process of the tree. `vital`: the tree ends with it."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    vital: bool
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_at: float = 0.0
    young_deaths: int = 0
    """In a row; kills from outside do not count. The pause before the next start grows with them."""
    failed_starts: int = 0
    """Those among them that no signal caused."""

    def start(self) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, "LUNATASKS_HOME": str(settings.LUNATASKS_HOME), **self.environment},
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C goes to the supervisor, which ends the children in order
            preexec_fn=partial(die_with, os.getpid()),  # safe: the supervisor has one thread
        )

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def count_death(self, now: float) -> None:
        """Of the process that has just ended."""
        code = self.process.returncode if self.process else 0
        young = now - self.started < YOUNG_SECONDS and code != -signal.SIGKILL
        self.young_deaths = self.young_deaths + 1 if young else 0
        # A signal is no failed start: parts that crash the interpreter are quarantined one by one, by their leases.
        self.failed_starts = self.failed_starts + 1 if young and code >= 0 else 0

    def end_of(self) -> str:
        code = self.process.returncode if self.process else None
        if code is not None and code < 0:
            return f"{self.name} was ended by {signal.Signals(-code).name}"
        return f"{self.name} ended with code {code}"


@dataclass
class Tree:
    """Children in the order of their start; they end in the reverse order."""

    children: list[Child] = field(default_factory=list)

    def start(self, child: Child, ready: Callable[[], bool] | None = None, *, within: float = 60.0) -> None:
        """Start a child and wait until it is ready. Raises TreeEnded."""
        self.children.append(child)
        child.start()
        give_up = time.monotonic() + within
        while ready is not None and not ready():
            if not child.is_running():
                raise TreeEnded(child.end_of())
            if time.monotonic() > give_up:
                raise TreeEnded(f"{child.name} was not ready within {within:.0f} s")
            time.sleep(POLL_SECONDS)

    def watch(self) -> None:
        """Restart what may be restarted. Raises TreeEnded, and lets StopAsked of the signal handler pass."""
        while True:
            for child in self.children:
                self._look_at(child)
            time.sleep(POLL_SECONDS)

    def _look_at(self, child: Child) -> None:
        now = time.monotonic()
        if child.is_running():
            return
        if child.process is not None:
            self._mourn(child, now)
        elif now >= child.start_at:
            child.start()

    def _mourn(self, child: Child, now: float) -> None:
        if child.vital:
            raise TreeEnded(child.end_of())
        child.count_death(now)
        if child.failed_starts >= MOST_FAILED_STARTS:
            raise TreeEnded(f"{child.end_of()}, {child.failed_starts} times in a row")
        pause = min(LONGEST_PAUSE, 0.1 * 2 ** min(child.young_deaths, LONGEST_ROW))
        logger.warning("%s; it is started again in %.1f s", child.end_of(), pause)
        child.process, child.start_at = None, now + pause

    def stop(self) -> None:
        """End every child: SIGTERM to all but the queue server, SIGKILL to what is left, then the queue server."""
        give_up = time.monotonic() + GRACE_SECONDS
        first = [child for child in self.children if child.name != "queue server"]
        for group in (first, [child for child in self.children if child.name == "queue server"]):
            for child in group:
                _signal(child, signal.SIGTERM)
            while any(child.is_running() for child in group) and time.monotonic() < give_up:
                time.sleep(0.02)
            for child in group:
                _signal(child, signal.SIGKILL)
            give_up += 0.5

    def describe(self) -> list[str]:
        return [f"{child.name}: process {child.process.pid}" for child in self.children if child.process]


def _signal(child: Child, number: signal.Signals) -> None:
    if not child.is_running() or child.process is None:
        return
    if number == signal.SIGKILL:
        logger.warning("%s did not end in time and is killed", child.name)
        os.killpg(child.process.pid, number)
        child.process.wait()
    else:
        child.process.send_signal(number)


def raise_on_signals() -> None:
    """SIGTERM and SIGINT become StopAsked, once: later ones do not disturb the orderly end."""

    def ask(number: int, frame: object) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        raise StopAsked

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, ask)


def manage(*arguments: str) -> list[str]:
    """The command line of one of our own commands."""
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]

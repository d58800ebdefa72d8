"""Reruns, as an operator asks for them: by the services, in a process of its own that is not waited for."""

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.conf import settings

from workers.torture.stack import Stack

ACCEPTED = b"accepted"
SCRIPT = f"""
from tasks_app import services
from lunatasks.errors import LunaError
for number in {{ids}}:
    try:
        services.rerun_task(task_id=number)
        print("{ACCEPTED.decode()}", number, flush=True)
    except LunaError:
        pass
"""


@dataclass
class Operators:
    """All that are at work."""

    stack: Stack
    _running: "list[tuple[set[int], subprocess.Popen[bytes]]]" = field(default_factory=list)

    @property
    def asked(self) -> set[int]:
        """Tasks that may be run again at any moment."""
        return {number for ids, _ in self._running for number in ids}

    def rerun(self, ids: Iterable[int]) -> None:
        """Ask for the reruns of ended tasks."""
        asked = set(ids)
        process = subprocess.Popen(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "shell", "-v", "0", "-c",
             SCRIPT.format(ids=sorted(asked))],
            env=self._variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.stack.log,
        )  # fmt: skip
        self._running.append((asked, process))

    def wait(self) -> set[int]:
        """Wait until all have asked; the tasks whose rerun was accepted."""
        accepted: set[int] = set()
        for _, process in self._running:
            answer, _ = process.communicate(timeout=120)
            accepted |= {int(line.split()[1]) for line in answer.splitlines() if line.startswith(ACCEPTED)}
        self._running.clear()
        return accepted

    def _variables(self) -> dict[str, str]:
        """Nothing of what torture changes: an operator's process is neither slow nor wrong."""
        variables = self.stack.variables()
        for name in ("LUNATASKS_FAULTS_DIR", "LUNATASKS_BUG", "LUNATASKS_CLOCK_OFFSET"):
            variables.pop(name, None)
        if not self.stack.queue:
            variables.pop("REDIS_URL", None)
        return variables

"""`manage.py torture`: kill everything, many times, and see whether the promises hold."""

import signal
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workers.torture.bugs import BUGS
from workers.torture.harness import Options, Torture, own_cluster
from workers.torture.plan import make_plan


class Command(BaseCommand):
    help = "Start a real stack in a temporary folder, kill its processes at random and at named points, check promises."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--kills", type=int, default=60, help="how many processes are killed (default: 60)")
        parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same plan of faults")
        parser.add_argument("--database", default="", help="PostgreSQL by URL, or `own`: a server made for this")
        parser.add_argument("--queue", default="", help="Redis by URL; a server of the stack's own when absent")
        parser.add_argument("--bug", choices=sorted(BUGS), default="", help="a deliberate bug, which must be found")
        parser.add_argument("--digests", type=Path, help="where the results' hashes are written, when all is well")
        parser.add_argument("--plan", action="store_true", help="print the plan of faults and end")

    def handle(self, *args: Any, plan: bool, kills: int, seed: int, queue: str, **named: Any) -> None:
        if plan:
            for fault in make_plan(kills=kills, seed=seed, own_queue=not queue, sqlite=not named["database"]):
                self.stdout.write(f"{fault}, after {fault.wait:.2f} s")
            return
        # The stack is taken down in order when somebody has no more patience.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        options = Options(
            kills=kills,
            seed=seed,
            queue=queue,
            database=named["database"],
            bug=named["bug"],
            digests=named["digests"],
        )
        with own_cluster(options) as cluster:
            torture = Torture(options, self._show, cluster=cluster)
            torture.run()
        self._judge(torture)

    def _show(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _judge(self, torture: Torture) -> None:
        table, bug = torture.table, torture.options.bug
        self.stdout.write(table.render())
        if bug:
            if not torture.found:
                raise CommandError(f"the bug {bug} was not found by {torture.kills} kills")
            self.stdout.write(f"the bug {bug} was found by {torture.kills} kills: {torture.found[0]}")
            return
        problems = len(table.violations)
        if problems or table.untried:
            raise CommandError(f"{problems} violations; not tried: {', '.join(table.untried) or 'nothing'}")
        self.stdout.write(f"{torture.kills} kills with seed {torture.options.seed}: every promise was kept")

"""What lies in the folders of a stack at rest."""

from collections.abc import Iterator
from dataclasses import dataclass

from tasks_app.states import TERMINAL, Status
from workers.torture import files
from workers.torture.checker import Violation
from workers.torture.promises import Table
from workers.torture.world import World, wait_for

AT_REST_WITHIN = 10.0
"""Seconds in which the last worker has removed the files of the last task's parts."""


@dataclass
class Remains:
    """Compares rows and files, both ways."""

    world: World
    table: Table

    def violations(self) -> Iterator[Violation]:
        """What is not as its row says, and what no row names."""
        rows = list(files.named_files(self.world.rows, done=Status.DONE, ended=tuple(sorted(map(int, TERMINAL)))))
        self.table.count("P6", "files compared with their rows", len(rows))
        for path in files.unlike_their_rows(self.world.results, rows):
            yield Violation("P6", f"a file is missing or is not as its row says: {path}")
        wait_for(lambda: not self._nobodys(), AT_REST_WITHIN, pause=0.5)
        for path in self._nobodys():
            yield Violation("P6", f"a file is left that no row needs: {path}")
        for path in files.temporary(self.world.stack.home):
            yield Violation("P6", f"half a file of a killed worker is left: {path}")

    def _nobodys(self) -> list[str]:
        done = f"SELECT id, result_path FROM tasks_app_task WHERE task_status = {Status.DONE:d}"  # noqa: S608
        return files.nobodys(self.world.results, dict(self.world.rows(done)), set(self.world.statuses()))

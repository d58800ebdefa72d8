"""How children are mourned, and how a process ends with its parent."""

import os
import signal
import subprocess
import sys
import time

import pytest
from django.conf import settings

from workers import supervisor
from workers.supervisor import Child, Tree, TreeEnded


@pytest.fixture
def child(monkeypatch):
    """A worker that starts at once and ends as the test says by `dies`."""

    class Process:
        pid = 1
        returncode = None

        def poll(self):
            return self.returncode

    def start(self):
        self.started, self.process = time.monotonic(), Process()

    monkeypatch.setattr(Child, "start", start)
    return Child("worker 1", [], {}, vital=False)


def dies(tree, child, code, times):
    """The pauses after that many deaths right after the start."""
    pauses = []
    for _ in range(times):
        child.start()
        child.process.returncode = code
        before = time.monotonic()
        tree._look_at(child)
        pauses.append(child.start_at - before)
    return pauses


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGTERM])
def test_parts_that_crash_young_workers_do_not_end_the_tree(child, number):
    pauses = dies(Tree([child]), child, -number, 20)

    assert pauses[0] == pytest.approx(0.2, abs=0.05)
    assert pauses[-1] == pytest.approx(supervisor.LONGEST_PAUSE, abs=0.05)


def test_a_worker_that_crashes_for_days_does_not_end_the_tree(child):
    assert dies(Tree([child]), child, -signal.SIGILL, 3000)[-1] == pytest.approx(supervisor.LONGEST_PAUSE, abs=0.05)


def test_a_killed_worker_is_started_again_at_once(child):
    pauses = dies(Tree([child]), child, -signal.SIGKILL, 20)

    assert max(pauses) < 0.2


def test_a_worker_that_cannot_start_ends_the_tree_with_its_name(child):
    with pytest.raises(TreeEnded, match="worker 1 ended with code 1, 8 times in a row"):
        dies(Tree([child]), child, 1, 20)


def test_a_crash_between_failed_starts_begins_their_count_anew(child):
    tree = Tree([child])

    dies(tree, child, 1, 7)
    dies(tree, child, -signal.SIGSEGV, 1)
    dies(tree, child, 1, 7)


# -- with the parent ---------------------------------------------------------------------------------

ORPHAN = """
import os, sys, time
leader = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == leader:
    time.sleep(0.01)
import lunatasks.wsgi
open(sys.argv[1], "w").close()
"""


def run_in_session(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=settings.BASE_DIR,
        env={**os.environ, **environment},
        start_new_session=True,
        stdout=subprocess.PIPE,  # open for as long as any of them lives
        check=True,
        timeout=30,
    )


def test_a_web_worker_whose_server_died_before_its_first_import_ends(tmp_path):
    run_in_session(ORPHAN, tmp_path / "lives", LUNATASKS_SUPERVISED="1")

    assert not (tmp_path / "lives").exists()


def test_a_web_worker_without_our_supervisor_minds_no_parent(tmp_path):
    run_in_session(ORPHAN, tmp_path / "lives", LUNATASKS_SUPERVISED="")

    assert (tmp_path / "lives").exists()


KILLED_DURING_IMPORT = """
import os, signal, sys, time
leader = os.getpid()
if os.fork():
    time.sleep(30)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "django":
            os.kill(leader, signal.SIGKILL)
            time.sleep(1)
            open(sys.argv[1], "w").close()

sys.meta_path.insert(0, Finder())
import lunatasks.wsgi
"""


def test_a_web_worker_whose_server_dies_while_it_imports_ends(tmp_path):
    with pytest.raises(subprocess.CalledProcessError, match="SIGKILL"):
        run_in_session(KILLED_DURING_IMPORT, tmp_path / "lives", LUNATASKS_SUPERVISED="1")

    assert not (tmp_path / "lives").exists()

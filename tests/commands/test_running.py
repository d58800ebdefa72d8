"""Commands that run or look after the service."""

import io
import os
import subprocess
import sys
import time

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tasks_app.models import Subtask
from tasks_app.states import Status
from workers import heartbeat
from workers.management.commands import runall


def printed(name, *arguments):
    out = io.StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_rescuetasks_tells_what_it_did(make_task, make_subtask, sent):
    make_subtask(make_task(task_status=Status.CANCELLED))

    assert "settled=1" in printed("rescuetasks")
    assert Subtask.objects.get().subtask_status == Status.CANCELLED


def test_runworker_refuses_queues_it_does_not_know(monkeypatch):
    monkeypatch.setattr("workers.management.commands.runworker.refuse_without_models", lambda: None)

    with pytest.raises(CommandError, match="no such queue: nonsense"):
        call_command("runworker", "--queues", "nonsense")


def test_envtable_writes_between_the_marks_only(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- environment: begin -->\nwas here\n<!-- environment: end -->\nafter\n")

    call_command("envtable", "--write", str(path))

    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| `LUNATASKS_HOME` |" in text
    assert "was here" not in text


def test_envtable_refuses_a_file_without_marks(tmp_path):
    (tmp_path / "README.md").write_text("nothing")

    with pytest.raises(CommandError, match="has no"):
        call_command("envtable", "--write", str(tmp_path / "README.md"))


def test_demo_refuses_a_folder_that_is_none(tmp_path):
    with pytest.raises(CommandError, match="is no folder"):
        call_command("demo", "--photos", str(tmp_path / "nowhere"))


@pytest.mark.stack
def test_a_process_past_its_deadline_ends():
    code = (
        "import django; django.setup()\n"
        "import time\n"
        "from workers.context import Signals\n"
        "from workers.heartbeat import Heartbeat\n"
        "from tasks_app.transitions import PartFence\n"
        "with Heartbeat(PartFence(1, 1, 1, 1), Signals()): time.sleep(30)\n"
    )
    variables = {"LUNATASKS_DEADLINE_SECONDS": "1", "LUNATASKS_BEAT_SECONDS": "1.2"}
    started = time.monotonic()

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        env={**_environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == heartbeat.EXIT_DEADLINE
    assert "past its deadline" in done.stderr
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(("host", "auth"), [("0.0.0.0", "token"), ("127.0.0.1", "off")])  # noqa: S104
def test_every_child_of_runall_asks_for_tokens_by_the_address_that_is_listened_on(monkeypatch, host, auth):
    children = []

    class Tree:
        def start(self, child, **_):
            children.append(child)

    monkeypatch.setattr(runall, "call_command", lambda *_, **__: None)
    monkeypatch.setattr(runall.connections, "close_all", lambda: None)
    command = runall.Command(stdout=io.StringIO())
    command._make_admin = lambda: None
    command._start_queue = lambda tree: {}

    command._start(Tree(), host, 5051, 2)

    assert [child.name for child in children] == ["rescue", "web server", "worker 1", "worker 2"]
    for variables in {tuple(sorted(child.environment.items())) for child in children}:
        code = "import django.conf as c; print(c.settings.LUNATASKS_API_AUTH, c.settings.LUNATASKS_PORT)"
        environment = {**_environment(), **dict(variables)}
        done = subprocess.run([sys.executable, "-c", code], cwd=settings.BASE_DIR, env=environment, capture_output=True)
        assert done.stdout.split() == [auth.encode(), b"5051"]


def _environment():
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "lunatasks.settings"}

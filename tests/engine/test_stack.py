"""Real processes: start, work, kills, stop."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.engine.conftest import people
from workers.torture.stack import Stack, StackError

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory):
    """A file of 60 people with 10 faces each for `importdescriptors`."""
    ids, vectors = people(60, 10)
    path = tmp_path_factory.mktemp("descriptors") / "people.npz"
    np.savez(path, face_id=np.array([str(face_id) for face_id in ids]), descriptor=vectors)
    return path


@pytest.fixture
def make_stack(descriptors, back_end):
    """A stack on the back end under test, with the people in its database when they are asked for."""
    stacks = []

    def make(*, people=False, **fields):
        stack = Stack(database=back_end.database, queue=back_end.queue, **fields)
        stacks.append(stack.__enter__())
        if people:
            stack.command("migrate", "--verbosity", "0")
            stack.command("importdescriptors", str(descriptors))
        stack.start()
        return stack

    yield make

    for stack in stacks:
        stack.__exit__(None, None, None)


def test_twenty_kills_of_workers_leave_the_bytes_of_the_result_as_they_are(make_stack):
    quick = {"LUNATASKS_LEASE_SECONDS": "2", "LUNATASKS_BEAT_SECONDS": "0.5", "LUNATASKS_RESCUE_SECONDS": "0.5"}
    quick["LUNATASKS_REDISPATCH_SECONDS"] = "2"
    stack = make_stack(people=True, environment={**quick, "LUNATASKS_TILE_ROWS": "40", "LUNATASKS_MAX_LOST": "20"})
    calm = stack.create_clustering()
    assert stack.finish(calm)["task_status"] == 5

    tortured, kills, chance = [], 0, random.Random(1)
    while kills < 20:
        tortured.append(stack.create_clustering())
        time.sleep(chance.uniform(0.05, 0.5))
        for pid in stack.processes("runworker"):
            os.kill(pid, signal.SIGKILL)
            kills += 1
    ended = [stack.finish(task_id) for task_id in tortured]

    assert [task["task_status"] for task in ended] == [5] * len(ended)
    digests = {hashlib.sha256(stack.result(task_id)).hexdigest() for task_id in [calm, *tortured]}
    assert len(digests) == 1


def test_sigterm_ends_the_whole_tree_within_ten_seconds_with_code_0(make_stack):
    stack = make_stack()
    tree = stack.processes("")
    started = time.monotonic()

    code = stack.stop()

    assert code == 0
    assert time.monotonic() - started < 10
    assert not [pid for pid in tree if _is_alive(pid)]


def test_a_killed_supervisor_takes_its_tree_along(make_stack):
    stack = make_stack()
    tree = stack.processes("")

    stack.supervisor.kill()
    stack.supervisor.wait()
    stack.supervisor = None

    give_up = time.monotonic() + 5
    while [pid for pid in tree if _is_alive(pid)] and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not [pid for pid in tree if _is_alive(pid)]


def test_the_tree_ends_with_the_name_of_a_web_server_that_died(make_stack):
    stack = make_stack()

    os.kill(stack.processes("granian")[0], signal.SIGKILL)
    code = stack.supervisor.wait(15)
    stack.supervisor = None

    assert code == 1
    assert "web server was ended by SIGKILL; everything is stopped" in stack.log_tail()


def test_a_second_runall_of_the_same_home_is_refused(make_stack):
    stack = make_stack()

    with pytest.raises(StackError, match="another runall uses"):
        stack.command("runall")


def test_workers_refuse_to_start_without_the_models(make_stack, tmp_path):
    with Stack(environment={"LUNATASKS_MODELS_DIR": str(tmp_path)}) as stack:
        done = subprocess.run(
            [sys.executable, "manage.py", "runworker"],
            env=stack.variables(),
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert "face_detection_yunet_2023mar_int8bq.onnx is missing" in done.stderr
    assert "make models" in done.stderr


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

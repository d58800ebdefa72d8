"""What a message may do, on a real queue server: call one of three entry points, and nothing else."""

import json
import subprocess
import time
import zlib

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from tasks_app import dispatch
from workers import jobs, queue_server
from workers.queue import ENTRY_POINTS, TaskJob, TaskWorker

pytestmark = pytest.mark.stack
NAME = "hostile-test"


@pytest.fixture(scope="module")
def server(tmp_path_factory, back_end):
    """The URL of a queue server: the one under test, else one of our own."""
    if back_end.queue:
        yield back_end.queue
        return
    configuration, url = queue_server.configure(tmp_path_factory.mktemp("q"))
    process = subprocess.Popen([str(queue_server.binary(bundled=True)), str(configuration)])
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up and not _answers(url):
        time.sleep(0.05)
    yield url
    process.terminate()
    process.wait()


def _answers(url):
    with redis.Redis.from_url(url) as client:
        try:
            return client.ping()
        except redis.RedisError:
            return False


@pytest.fixture
def queue(server):
    """An empty queue of our kind of messages."""
    connection = redis.Redis.from_url(server)
    queue = Queue(NAME, connection=connection, serializer=JSONSerializer, job_class=TaskJob)
    queue.empty()
    yield queue
    queue.empty()
    connection.close()


@pytest.fixture
def calls(monkeypatch):
    """Calls of the entry points, instead of work."""
    seen = []
    for name in ENTRY_POINTS:
        monkeypatch.setitem(ENTRY_POINTS, name, lambda name=name, **arguments: seen.append((name, arguments)))
    return seen


@pytest.fixture
def drain(queue, monkeypatch):
    """A worker that runs until the queue is empty."""
    monkeypatch.setattr(TaskWorker, "_install_signal_handlers", lambda self: None)
    monkeypatch.setattr("workers.queue.close_old_connections", lambda: None)

    def run():
        worker = TaskWorker([queue], connection=queue.connection, job_class=TaskJob, serializer=JSONSerializer)
        worker.work(burst=True, logging_level=None)

    return run


def push_raw(queue, name, **fields):
    """A job's hash as a stranger with access to the queue could write it."""
    queue.connection.hset(f"rq:job:{name}", mapping=fields)
    queue.connection.rpush(queue.key, name)


def body(function, arguments=(), named=None, instance=None):
    return zlib.compress(json.dumps([function, instance, list(arguments), named or {}]).encode())


CREATED = "2026-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    "function",
    ["os.system", "subprocess.run", "workers.jobs.engine.run_split", "workers.jobs", "builtins.eval", "jobs.split", ""],
)
def test_a_message_that_names_anything_else_is_dropped(queue, drain, calls, tmp_path, caplog, function):
    push_raw(queue, "evil", created_at=CREATED, data=body(function, [f"touch {tmp_path}/owned"]), origin=NAME)

    drain()

    assert not (tmp_path / "owned").exists()
    assert calls == []
    assert "names none of our entry points" in caplog.text


@pytest.mark.parametrize("member", ["success_callback_name", "failure_callback_name", "stopped_callback_name"])
def test_callbacks_of_a_message_never_run(queue, drain, calls, monkeypatch, member):
    import os

    ran = []
    monkeypatch.setattr(os, "getlogin", lambda *_: ran.append(1))
    fields = {member: "os.getlogin", "created_at": CREATED, "origin": NAME}
    push_raw(queue, "callback", data=body("workers.jobs.split", named={"task_id": 1}), **fields)

    drain()

    assert ran == []
    assert calls == [("workers.jobs.split", {"task_id": 1})]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"data": b"garbage"},
        {"created_at": "yesterday", "data": b"garbage"},
        {"created_at": CREATED, "data": zlib.compress(b"\x80\x05cos\nsystem\n(S'true'\ntR.")},
        {"created_at": CREATED, "data": zlib.compress(b"{}")},
        {"created_at": CREATED, "data": zlib.compress(b'"text"')},
        {"created_at": CREATED, "timeout": "soon", "data": body("workers.jobs.split")},
        {"created_at": CREATED, "meta": "{", "data": body("workers.jobs.split", named={"task_id": 1})},
    ],
)
def test_unreadable_messages_do_not_end_the_worker(queue, drain, calls, fields):
    if fields:
        push_raw(queue, "broken", **fields)
    else:
        queue.connection.rpush(queue.key, "nothing")
    push_raw(queue, "good", created_at=CREATED, data=body("workers.jobs.merge", named={"task_id": 7}), origin=NAME)

    drain()

    assert ("workers.jobs.merge", {"task_id": 7}) in calls


def test_positional_arguments_and_instances_are_refused(queue, drain, calls):
    push_raw(queue, "a", created_at=CREATED, data=body("workers.jobs.split", [1]), origin=NAME)
    push_raw(queue, "b", created_at=CREATED, data=body("workers.jobs.split", instance="x"), origin=NAME)

    drain()

    assert calls == []


def test_wrong_arguments_of_an_entry_point_do_not_end_the_worker(queue, drain, monkeypatch, caplog):
    monkeypatch.setitem(ENTRY_POINTS, "workers.jobs.merge", jobs.merge)
    push_raw(queue, "w", created_at=CREATED, data=body("workers.jobs.merge", named={"task": 7}), origin=NAME)

    drain()

    assert "wrong arguments" in caplog.text


def test_nothing_stays_in_the_queue_server_after_the_work(queue, drain, calls):
    push_raw(queue, "good", created_at=CREATED, data=body("workers.jobs.split", named={"task_id": 1}), origin=NAME)

    drain()

    assert queue.connection.keys("rq:job:good*") == []
    assert queue.job_ids == []


def test_what_dispatch_sends_is_what_the_worker_calls(queue, drain, calls, monkeypatch):
    monkeypatch.setattr(dispatch, "queue", lambda name: queue)
    message = dispatch.Message("control", "split", "split-1", {"task_id": 1, "request_id": "r"})

    assert dispatch.send([message])
    drain()

    assert calls == [("workers.jobs.split", {"task_id": 1, "request_id": "r"})]


def test_a_queue_that_does_not_answer_is_no_error_of_the_sender(monkeypatch, caplog):
    nowhere = Queue(NAME, connection=redis.Redis(port=1), serializer=JSONSerializer)
    monkeypatch.setattr(dispatch, "queue", lambda name: nowhere)

    assert not dispatch.send([dispatch.Message("control", "split", "split-1", {})])
    assert "rescue will send the messages" in caplog.text

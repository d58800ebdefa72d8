"""What a message may do, on a real queue server: call one of three entry points, and nothing else."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib

import pytest
import redis
from django.conf import settings
from rq import Queue
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.suspension import resume, suspend

from tasks_app import dispatch
from workers import jobs, queue_server
from workers.context import SIGNALS_OF_PROCESS
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


# -- stops -------------------------------------------------------------------------------------------


@pytest.fixture
def shutdown():
    """What a signal sets."""
    yield SIGNALS_OF_PROCESS.shutdown
    SIGNALS_OF_PROCESS.shutdown.clear()


@pytest.fixture
def worker(queue, monkeypatch):
    monkeypatch.setattr("workers.queue.close_old_connections", lambda: None)
    return TaskWorker([queue], connection=queue.connection, job_class=TaskJob, serializer=JSONSerializer)


def test_a_stop_between_the_arrival_of_a_message_and_the_work_gives_it_back(queue, worker, calls, shutdown):
    for name in ("first", "second"):
        push_raw(queue, name, created_at=CREATED, data=body("workers.jobs.split", named={"task_id": 1}), origin=NAME)
    message, from_queue = worker.dequeue_job_and_maintain_ttl(None)

    worker.request_stop(signal.SIGTERM, None)
    worker.execute_job(message, from_queue)

    assert calls == []
    assert queue.job_ids == ["first", "second"]
    assert TaskJob.fetch("first", connection=queue.connection, serializer=JSONSerializer).kwargs == {"task_id": 1}
    with pytest.raises(StopRequested):
        worker.dequeue_job_and_maintain_ttl(None)


def test_a_stop_that_came_before_the_worker_listened_to_signals_counts(queue, worker, calls, shutdown, monkeypatch):
    push_raw(queue, "first", created_at=CREATED, data=body("workers.jobs.split", named={"task_id": 1}), origin=NAME)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    shutdown.set()

    worker.work(logging_level=None)

    assert calls == []
    assert queue.job_ids == ["first"]


def test_a_queue_that_is_lost_after_a_message_ends_no_worker(queue, worker, monkeypatch):
    def refuse(*_):
        raise redis.ConnectionError("refused")

    monkeypatch.setattr(worker.connection, "hset", refuse)

    worker.heartbeat()


def test_an_idle_worker_stops_within_seconds(queue, worker, shutdown, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    thread = threading.Timer(0.3, worker.request_stop, [signal.SIGTERM, None])
    thread.start()
    started = time.monotonic()

    worker.work(logging_level=None)

    assert time.monotonic() - started < 3


def test_no_other_application_can_suspend_our_workers(queue, drain, calls):
    push_raw(queue, "good", created_at=CREATED, data=body("workers.jobs.split", named={"task_id": 1}), origin=NAME)
    suspend(queue.connection, ttl=60)
    try:
        drain()
    finally:
        resume(queue.connection)

    assert calls == [("workers.jobs.split", {"task_id": 1})]


def test_a_name_that_is_no_text_does_not_keep_the_messages_behind_it(queue, drain, calls):
    queue.connection.rpush(queue.key, b"\xff\xfe")
    push_raw(queue, "good", created_at=CREATED, data=body("workers.jobs.split", named={"task_id": 1}), origin=NAME)

    drain()

    assert calls == [("workers.jobs.split", {"task_id": 1})]


def test_names_in_a_queue_are_read_whatever_strangers_pushed(queue, monkeypatch):
    monkeypatch.setattr(dispatch, "queue", lambda name: queue)
    queue.connection.rpush(queue.key, b"\xff\xfe", "split-1")

    assert "split-1" in dispatch.waiting_names("control")


@pytest.fixture
def start_worker(tmp_path):
    """`runworker` as a process, its output in a file."""
    processes = []

    def start(queue_url):
        output = (tmp_path / "output").open("w+b")
        environment = {**os.environ, "REDIS_URL": queue_url, "LUNATASKS_ROLE": "worker"}
        command = [sys.executable, "manage.py", "runworker"]
        process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdout=output, stderr=output)
        processes.append(process)
        return process, tmp_path / "output"

    yield start

    for process in processes:
        process.kill()
        process.wait()


def wait_until(condition, seconds=30):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def stop(process):
    """The code of the end, and how long it took."""
    started = time.monotonic()
    process.terminate()
    return process.wait(20), time.monotonic() - started


@pytest.mark.parametrize("later", [0.0, 0.5])
def test_a_worker_stops_in_good_order_while_the_queue_is_down(start_worker, later):
    process, output = start_worker("redis://127.0.0.1:1/0")
    wait_until(lambda: "the queue does not answer" in output.read_text())
    time.sleep(later)

    code, seconds = stop(process)

    assert code == 0
    assert seconds < 8
    assert "Traceback" not in output.read_text()


def test_a_worker_stops_in_good_order_while_the_queue_is_silent(start_worker, tmp_path):
    configuration, url = queue_server.configure(tmp_path)
    server = subprocess.Popen([str(queue_server.binary(bundled=True)), str(configuration)])
    try:
        wait_until(lambda: _answers(url))
        process, output = start_worker(url)
        with redis.Redis.from_url(url) as client:
            wait_until(lambda: client.keys("rq:worker:*"))
        server.send_signal(signal.SIGSTOP)
        time.sleep(1.5)

        code, seconds = stop(process)
    finally:
        server.kill()
        server.wait()

    assert code == 0
    assert seconds < 8
    assert "Traceback" not in output.read_text()

"""The REST API against plain ModelSerializer views, and every filter over a million tasks and five million errors.

`DATABASE_URL=postgresql://... python benchmarks/bench_api.py [--tasks N] [--errors N] [--seconds S] [--keep]`. It ends
with a code other than zero when a figure is not what is asked; a busy machine may be the reason. It works in a
database of its own, `<name>_bench`, which stays there with --keep. The load is wrk over loopback where there is one,
else a few threads of this process.
"""

import argparse
import http.client
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import uuid4

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 8
WARM = 3
REPEATS = 5
PAGE_LIMIT_MS = 100
COUNT_LIMIT_MS = 1000
MARKUP_LIMIT_MS = 10
MAIN_ACCOUNT = "a" * 31 + "0"


def own_database() -> str:
    """The bench's database beside the one of DATABASE_URL, made when absent; its URL."""
    import psycopg

    url = urlsplit(os.environ.get("DATABASE_URL", ""))
    if not url.scheme.startswith("postgres"):
        print("the API is measured on PostgreSQL: set DATABASE_URL=postgresql://user@host/name")
        sys.exit(0)
    name = f"{url.path.strip('/')}_bench"
    with psycopg.connect(url.geturl(), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(f'CREATE DATABASE "{name}"')
    return urlunsplit(url._replace(path=f"/{name}"))


def load(tasks: int, errors: int) -> None:
    """Fill the tables unless they hold that many rows; indexes are made afterwards."""
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM tasks_app_task), (SELECT count(*) FROM errors_app_taskerror)")
        if cursor.fetchone() == (tasks, errors):
            return
        started = time.perf_counter()
        cursor.execute("TRUNCATE tasks_app_task, tasks_app_subtask, errors_app_taskerror RESTART IDENTITY CASCADE")
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('tasks_app_task', 'errors_app_taskerror') "
            "AND indexdef NOT LIKE 'CREATE UNIQUE%'"
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        *inserts, vacuum_tasks, vacuum_errors = statements()
        for statement in inserts:
            cursor.execute(statement, {"tasks": tasks, "errors": errors})
        for _, definition in indexes:
            cursor.execute(definition)
        cursor.execute(vacuum_tasks)
        cursor.execute(vacuum_errors)
    print(f"{tasks} tasks and {errors} errors written in {time.perf_counter() - started:.0f} s")


def statements() -> list[str]:
    """Of api_data.sql."""
    text = (Path(__file__).parent / "api_data.sql").read_text()
    return [part.strip() for part in text.split(";\n") if part.strip()]


@contextmanager
def web_server() -> Iterator[tuple[int, int]]:
    """(port, process id) of the web process as `runall` starts it: granian, WSGI, 16 blocking threads."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"LUNATASKS_ROLE": "web", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--blocking-threads", "16", "--no-access-log", "--log-level", "error"]
    server = subprocess.Popen([*command, "lunatasks.wsgi:application"], env=environment, cwd=ROOT)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait(10)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its children, from /proc."""
    pids, total = [pid], 0.0
    while pids:
        current = pids.pop()
        fields = Path(f"/proc/{current}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        pids += [int(child) for child in Path(f"/proc/{current}/task/{current}/children").read_text().split()]
    return total


def rate(port: int, path: str, seconds: float) -> float:
    """Requests per second of keep-alive connections."""
    url = f"http://127.0.0.1:{port}{path}"
    if wrk := shutil.which("wrk"):
        command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", url]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "Non-2xx" not in output, output
        line = next(line for line in output.splitlines() if line.startswith("Requests/sec"))
        return float(line.split()[1])
    return threaded_rate(port, path, seconds)


def threaded_rate(port: int, path: str, seconds: float) -> float:
    """The same without wrk; its own CPU time is in the way."""
    counts = [0] * CONNECTIONS
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while time.perf_counter() < end:
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200
            response.read()
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def compare(seconds: float, task_id: int) -> int:
    """Ours against the baseline, in turns; how many ratios are under what is asked."""
    low = 0
    rows = [
        ("one task", f"/1/tasks/{task_id}", f"/baseline/tasks/{task_id}", 2.5),
        ("list of 10", "/1/tasks", "/baseline/tasks", 2.0),
    ]
    print(f"{'':12} {'requests/s':>10} {'baseline':>9} {'ratio':>6} {'asked':>6}   CPU s per 1000 requests")
    with web_server() as (port, pid):
        for name, ours, baseline, asked in rows:
            fast = slow = used = requests = 0.0
            for path in (ours, baseline):
                rate(port, path, 1)
            for _ in range(2):
                before = cpu_seconds(pid)
                ours_rate = rate(port, ours, seconds)
                used += cpu_seconds(pid) - before
                requests += ours_rate * seconds
                fast = max(fast, ours_rate)
                slow = max(slow, rate(port, baseline, seconds))
            ratio = fast / slow
            low += ratio < asked
            print(f"{name:12} {fast:10.0f} {slow:9.0f} {ratio:6.2f} {asked:6.1f}   {used / requests * 1000:.2f}")
    return low


def filters(first_task: int) -> dict[str, list[dict[str, object]]]:
    """Every filter of tasks and of errors, each alone."""
    tasks = [
        {},
        {"task_ids": ",".join(str(first_task + 37 * n) for n in range(1000))},
        {"task_type": 3},
        {"task_status": 5},
        {"task_status": 1},
        {"create_time__gte": "2024-01-05T00:00:00Z"},
        {"create_time__lt": "2024-01-05T00:00:00Z"},
        {"end_time__gte": "2024-01-05T00:00:00Z"},
        {"end_time__lt": "2024-01-05T00:00:00Z"},
        {"create_time__gte": "2024-01-03T00:00:00Z", "create_time__lt": "2024-01-03T01:00:00Z"},
        {"result_id": str(uuid4())},
    ]
    errors = [
        {},
        {"task_ids": ",".join(str(first_task + 37 * n) for n in range(1000))},
        {"error_ids": ",".join(str(1 + 4999 * n) for n in range(1000))},
        {"error_code": 22018},
        {"error_code": 99},
        {"task_type": 3},
        {"status_code": 500},
        {"error_time__gte": "2024-01-05T00:00:00Z"},
        {"error_time__lt": "2024-01-05T00:00:00Z"},
        {"error_time__gte": "2024-01-03T00:00:00Z", "error_time__lt": "2024-01-03T01:00:00Z"},
    ]
    of_task = [{}, {"error_code": 22018}, {"error_time__gte": "2024-01-05T00:00:00Z"}]
    # the fifth task is the first one of MAIN_ACCOUNT
    return {"/1/tasks": tasks, "/1/tasks/errors": errors, f"/1/tasks/{first_task + 4}/errors": of_task}


def milliseconds(client: object, path: str, query: dict[str, object]) -> float:
    """Best of several answers, warm."""
    times = []
    for number in range(WARM + REPEATS):
        started = time.perf_counter()
        response = client.get(f"{path}?{urlencode(query)}")
        if number >= WARM:
            times.append((time.perf_counter() - started) * 1000)
        assert response.status_code == 200, response.content
        if number == 0 and time.perf_counter() - started > 3:
            return (time.perf_counter() - started) * 1000
    return min(times)


def sweep(first_task: int) -> int:
    """Pages 1 and 100 000 and counts of every filter, alone and with an account; how many are slower than asked."""
    from django.test import Client

    client = Client(HTTP_HOST="127.0.0.1")
    print(
        f"\n{'ms':>78}   page 1   page 100 000    count   (asked: {PAGE_LIMIT_MS}, {PAGE_LIMIT_MS}, {COUNT_LIMIT_MS})"
    )
    slow = 0
    for path, queries in filters(first_task).items():
        for query in queries:
            for account in ({}, {"account_id": account_of(MAIN_ACCOUNT)}):
                asked = query | account
                near = milliseconds(client, path, asked)
                far = milliseconds(client, path, asked | {"page": 100_000})
                countable = "result_id" not in asked and "status_code" not in asked
                counted = milliseconds(client, f"{path}/count", asked) if countable else 0.0
                bad = near > PAGE_LIMIT_MS or far > PAGE_LIMIT_MS or counted > COUNT_LIMIT_MS
                slow += bad
                shown = " ".join(f"{name}={str(value)[:24]}" for name, value in query.items()) or "(all)"
                line = f"{path} {shown}{' + account' if account else ''}"
                print(f"{line[:78]:78} {near:8.1f} {far:14.1f} {counted:8.1f}{'   SLOW' if bad else ''}")
    print(f"{slow} rows over what is asked; peak memory of this process {peak_megabytes():.0f} MB")
    return slow


def account_of(digits: str) -> str:
    """32 hexadecimal digits as a uuid."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def peak_megabytes() -> float:
    """Of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def markup_time() -> int:
    """10 000 entries of a ROC's markup; 1 when that takes longer than asked."""
    from uuid import UUID

    from django.utils import timezone

    from tasks_app.contents import read_content
    from tasks_app.states import TaskType

    markup = [{"face_id": str(uuid4()), "label": number % 999} for number in range(10_000)]
    best = 1e9
    for _ in range(10):
        started = time.perf_counter()
        read_content(TaskType.ROC, {"markup": markup}, account_id=UUID(int=1), now=timezone.now())
        best = min(best, time.perf_counter() - started)
    print(f"\nmarkup of 10 000 entries validated in {best * 1000:.1f} ms (asked: {MARKUP_LIMIT_MS})")
    return int(best * 1000 > MARKUP_LIMIT_MS)


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--errors", type=int, default=5_000_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--keep", action="store_true", help="leave the filled database for the next run")
    options = parser.parse_args()
    url = own_database()
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(
            DATABASE_URL=url, DJANGO_SETTINGS_MODULE="benchmarks.api_settings", LUNATASKS_LOG_LEVEL="ERROR"
        )
        os.environ["LUNATASKS_HOME"] = home
        sys.path.insert(0, str(ROOT))
        missed = run(options)
    if not options.keep:
        drop(url)
    if missed:
        sys.exit(f"{missed} figures are not what is asked")


def run(options: argparse.Namespace) -> int:
    """Everything, once the environment is set; how many figures are not what is asked."""
    import django

    django.setup()
    from django.db import connection

    from tasks_app.models import Task

    load(options.tasks, options.errors)
    first_task = Task.objects.order_by("id").values_list("id", flat=True)[0]
    missed = compare(options.seconds, first_task + options.tasks // 2) + sweep(first_task) + markup_time()
    connection.close()
    return missed


def drop(url: str) -> None:
    """Remove the bench's database."""
    import psycopg

    parts = urlsplit(url)
    with psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{parts.path.strip("/")}"')


if __name__ == "__main__":
    main()

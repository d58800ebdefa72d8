"""Linker, exporter, reporter and gc: objects per second of one worker, and its peak memory.

Run `python benchmarks/bench_task_types.py [objects [task ...]]`, by default 100 000 and all; it works in a folder of
its own. Every task runs in a process of its own, so that its memory is its own.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

ACCOUNT = UUID("5b1f4f0e-8c2f-4f39-9f8a-0d9d0a6c1e11")
OBJECTS = 100_000
BATCH = 2000
SLOW_ROWS = 2000
COLUMNS = ["user_data", "create_time", "lists", "external_id", "avatar", "event_id"]
CLUSTER = 7
"""Faces of a cluster of the made-up clustering."""


def face_id(number: int) -> UUID:
    return UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)


def load(count: int) -> float:
    """Faces without descriptors, straight into their table; seconds."""
    from django.core.management import call_command
    from django.db import transaction

    from lunatasks.luna_services.embedded.models import Face

    call_command("migrate", verbosity=0)
    started = time.perf_counter()
    for start in range(0, count, BATCH):
        faces = [
            Face(face_id=face_id(number), account_id=ACCOUNT, user_data=f"=person {number}", external_id=str(number))
            for number in range(start, min(start + BATCH, count))
        ]
        with transaction.atomic():
            Face.objects.bulk_create(faces)
    return time.perf_counter() - started


def store_clustering(count: int) -> float:
    """A done clustering of all faces, its result as clustering stores it; seconds."""
    import hashlib
    import uuid

    from django.core.files.base import ContentFile
    from django.utils import timezone

    from tasks_app import artefacts
    from tasks_app.models import Task
    from tasks_app.states import Status, TaskType

    numbers = range(0, count, CLUSTER)
    clusters = ([str(face_id(at)) for at in range(start, min(start + CLUSTER, count))] for start in numbers)
    data = json.dumps(list(clusters), separators=(",", ":")).encode()
    started = time.perf_counter()
    path = artefacts.storage().save("tasks/0/bench.json", ContentFile(data))
    Task.objects.create(
        account_id=ACCOUNT,
        task_type=TaskType.CLUSTERING,
        task_status=Status.DONE,
        content={"objects_type": "faces", "descriptor": {"type": "face"}},
        end_time=timezone.now(),
        result_id=uuid.uuid4(),
        result_path=path,
        result_size=len(data),
        result_sha256=hashlib.sha256(data).hexdigest(),
    )
    return time.perf_counter() - started


def contents(count: int) -> dict[str, tuple[int, dict]]:
    """Type and content by name."""
    from tasks_app.states import TaskType

    faces = {"objects_type": "faces", "filters": {}}
    return {
        "linker": (TaskType.LINKER, {**faces, "create_list": 1}),
        "exporter": (TaskType.EXPORTER, {**faces, "columns": COLUMNS}),
        "reporter": (TaskType.REPORTER, {"columns": COLUMNS}),
        "gc dry run": (TaskType.GC, {"target": "faces", "filters": {}, "dry_run": True}),
        "gc": (TaskType.GC, {"target": "faces", "filters": {}, "store_results": True}),
    }


def run(name: str, count: int) -> tuple[float, int]:
    """Seconds and parts of one task, worked off in this process."""
    from tasks_app import dispatch, services
    from tasks_app.models import Task
    from tasks_app.states import Status, TaskType
    from workers import jobs

    waiting: list[dispatch.Message] = []
    dispatch.send = lambda messages: waiting.extend(messages) is None
    task_type, content = contents(count)[name]
    if name == "reporter":
        content["filters"] = {"task_id": Task.objects.get(task_type=TaskType.CLUSTERING).pk}
    started = time.perf_counter()
    task = services.create_task(account_id=ACCOUNT, task_type=task_type, content=content)
    while waiting:
        message = waiting.pop(0)
        getattr(jobs, message.entry)(**message.arguments)
    seconds = time.perf_counter() - started
    task.refresh_from_db()
    assert task.task_status == Status.DONE, list(task.errors.values_list("detail", flat=True)[:3])
    return seconds, task.count_task_parts_all


def slow(count: int) -> float:
    """The plain way of an export: an object at a time."""
    from lunatasks.luna_services import registry
    from workers.files.csv_rows import rows_as_bytes
    from workers.task_types.columns import FACE_COLUMNS

    started = time.perf_counter()
    for number in range(min(count, SLOW_ROWS)):
        [card] = registry.faces().get_faces(ACCOUNT, [face_id(number)])
        rows_as_bytes([[card.face_id, *(FACE_COLUMNS[name](card) for name in COLUMNS)]], ",")
    return time.perf_counter() - started


def child(name: str, count: int) -> None:
    """One measurement, as JSON on stdout."""
    import django

    django.setup()
    preparations = {"load": load, "clustering": store_clustering, "slow": slow}
    seconds, parts = (preparations[name](count), 0) if name in preparations else run(name, count)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "parts": parts, "peak": peak}))


def measured(name: str, count: int, home: str) -> dict[str, float]:
    """The same, in a process of its own."""
    settings = {"DJANGO_SETTINGS_MODULE": "lunatasks.settings", "LUNATASKS_HOME": home, "LUNATASKS_LOG_LEVEL": "ERROR"}
    others = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    command = [sys.executable, __file__, "--child", name, str(count)]
    done = subprocess.run(command, env=others | settings, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


TASKS = ("linker", "exporter", "reporter", "gc dry run", "gc")


def rows(count: int, names: Sequence[str]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as home:
        loaded = measured("load", count, home)
        measured("clustering", count, home)
        yield f"{count} faces loaded in {loaded['seconds']:.1f} s"
        one = min(count, SLOW_ROWS) / measured("slow", count, home)["seconds"]
        yield f"an export of one face after the other {one:9.0f} rows/s"
        for name in names:
            found = measured(name, count, home)
            rate = count / found["seconds"]
            ratio = f", {rate / one:.1f} times one after the other" if name == "exporter" else ""
            yield (
                f"{name:12} {rate:9.0f} objects/s  {found['seconds']:6.1f} s  {found['parts']:5.0f} parts"
                f"  peak {found['peak']:4.0f} MiB{ratio}"
            )


def main() -> None:
    """Print all rows."""
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]))
        return
    for line in rows(int(sys.argv[1]) if len(sys.argv) > 1 else OBJECTS, sys.argv[2:] or TASKS):
        print(line, flush=True)


if __name__ == "__main__":
    main()

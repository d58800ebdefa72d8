"""Handlers, additional extraction and the estimator: photos per second, peak memory, what reading archives costs.

`python benchmarks/bench_handlers.py [--photos 2000]`. DATABASE_URL and REDIS_URL choose the back end of the stacks.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunatasks.settings")

import django

django.setup()

import pyzipper
from django.conf import settings
from stacks import peak_memory, processor_seconds

from lunatasks.luna_services.descriptors import SFACE_MIRRORED
from lunatasks.luna_services.embedded.face_models.extractor import Wanted, default_extractor
from lunatasks.luna_services.embedded.sample_photos import samples_folder
from workers.files.archives import Archive, limits_of_settings
from workers.torture.stack import ACCOUNT, Stack, StackError

FEW, MORE = 60, 300
POLICIES = {"extract_policy": {"extract_basic_attributes": 1}}


def main() -> None:
    """Print one row per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=2000)
    count = parser.parse_args().photos
    photos = sample_photos()
    bench_extractor(photos[:FEW])
    bench_handler(photos[:FEW])
    bench_extraction(photos[:MORE])
    bench_archives(photos[:FEW])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ACCOUNT / "photos.zip"
        path.parent.mkdir()
        write_zip(path, photos, count)
        rates = [bench_estimator(Path(folder), count, workers) for workers in (1, 2)]
    print(f"  ratio              {rates[1] / rates[0]:8.2f} x  2 workers : 1 worker")


def sample_photos() -> list[bytes]:
    """The sample photos."""
    paths = sorted(samples_folder().glob("*/*.jpg"))
    if not paths:
        sys.exit("no sample photos: run `make samples`")
    return [path.read_bytes() for path in paths]


def rate(work: Callable[[bytes], object], items: list[bytes]) -> float:
    """Items per second of processor time, after one to warm up: what else the machine does is left out."""
    work(items[0])
    started = time.process_time()
    for item in items:
        work(item)
    return len(items) / (time.process_time() - started)


def bench_extractor(photos: list[bytes]) -> None:
    """A photo to faces, and a stored sample to descriptor or attributes."""
    extractor = default_extractor()
    samples = [face.sample for photo in photos for face in extractor.extract(photo)]
    photo = rate(extractor.extract, photos)
    descriptor, attributes = Wanted(attributes=False, sample=False), Wanted(descriptor=False, sample=False)
    described = rate(lambda data: extractor.estimate_warp(data, descriptor), samples)
    estimated = rate(lambda data: extractor.estimate_warp(data, attributes), samples)
    print(f"photos to faces      {photo:8.1f}/s  one thread, the nets alone")
    print(f"samples, descriptor  {described:8.1f}/s")
    print(f"samples, attributes  {estimated:8.1f}/s")


def bench_handler(photos: list[bytes]) -> None:
    """Photos through a handler into stored events with samples, by `importfaces --events`, one process."""
    with Stack() as stack:
        summary = imported(stack, photos, "--events")
    print(f"photos by a handler  {summary['photos_per_second']:8.1f}/s  into events, wall time, one process")


def imported(stack: Stack, photos: list[bytes], *options: str) -> dict:
    """What `importfaces` tells of the photos."""
    stack.command("migrate", "--verbosity", "0")
    with tempfile.TemporaryDirectory() as folder:
        for number, photo in enumerate(photos):
            (Path(folder) / f"{number}.jpg").write_bytes(photo)
        summary: dict = json.loads(stack.command("importfaces", folder, "--json", *options))
    return summary


def bench_extraction(photos: list[bytes]) -> None:
    """Descriptors of another version of faces with samples, from the POST to the end, one worker."""
    with Stack(workers=1) as stack:
        imported(stack, photos)
        stack.start()
        content = {
            "extraction_target": "face_descriptor",
            "options": {"descriptor_version": SFACE_MIRRORED.number},
            "filters": {"objects_type": "faces"},
        }
        used, started = processor_seconds(stack), time.perf_counter()
        task_id = create(stack, "additional_extract", content)
        stack.finish(task_id, within=300)
        took, used = time.perf_counter() - started, processor_seconds(stack) - used
        count = len(json.loads(stack.result(task_id))["result"])
        peak = peak_memory(stack)
    print(
        f"extraction, 1 worker {count / took:8.1f}/s  {count} faces in {took:.1f} s, {used / count * 1e3:.0f} ms each"
    )
    print(f"  peak memory        {peak:8.0f} MiB")


def bench_archives(photos: list[bytes]) -> None:
    """Megabytes per second out of a zip, plain and encrypted."""
    with tempfile.TemporaryDirectory() as folder:
        for name, options in {"plain": {}, "AES": {"encryption": pyzipper.WZ_AES}}.items():
            path = Path(folder) / f"{name}.zip"
            with pyzipper.AESZipFile(path, "w", compression=pyzipper.ZIP_DEFLATED, **options) as archive:
                archive.setpassword(b"password" if options else None)
                for number, photo in enumerate(photos):
                    archive.writestr(f"{number}.jpg", photo)
            print(f"zip read, {name:10} {read_rate(path):8.1f} MB/s")


def read_rate(path: Path) -> float:
    """Megabytes per second of all entries."""
    started, size = time.process_time(), 0
    with Archive(path, password="password", limits=limits_of_settings()) as archive:  # noqa: S106
        for entry in archive.entries():
            size += len(archive.read(entry.number or 0))
    return size / 1e6 / (time.process_time() - started)


def write_zip(path: Path, photos: list[bytes], count: int) -> None:
    """A zip of so many photos; a photo that comes again has other bytes behind its end, and so is another one."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, photo in enumerate(islice(cycle(photos), count)):
            archive.writestr(f"{number:05}.jpg", photo + str(number).encode())


def bench_estimator(root: Path, count: int, workers: int) -> float:
    """Photos per second from the POST to the end, on a fresh stack."""
    back_end = {"database": os.environ.get("DATABASE_URL", ""), "queue": os.environ.get("REDIS_URL", "")}
    with Stack(**back_end, workers=workers, environment={"LUNATASKS_IMPORT_ROOTS": str(root)}) as stack:
        stack.command("migrate", "--verbosity", "0")
        stack.start()
        used = processor_seconds(stack)
        started = time.perf_counter()
        source = {"source_type": "zip", "reference": "photos.zip"}
        task_id = create(stack, "estimator", {"handler": {"policies": POLICIES}, "source": source})
        stack.finish(task_id, within=300 + 3 * count)
        took = time.perf_counter() - started
        rows = json.loads(stack.result(task_id))["result"]
        events = sum(len(row["events"]) for row in rows)
        if len(rows) != count or any(row["error"] for row in rows):
            raise StackError("the estimator did not read all photos")
        peak, used = peak_memory(stack), processor_seconds(stack) - used
    print(f"estimator, {workers} worker(s) {count / took:8.1f}/s  {count} photos, {events} events in {took:.1f} s")
    print(f"  processor time     {used / count * 1e3:8.0f} ms a photo, of all workers")
    print(f"  peak memory        {peak:8.0f} MiB  of the larger worker")
    return count / took


def create(stack: Stack, resource: str, content: dict) -> int:
    """The task; its id."""
    status, _, answer = stack.request("POST", f"/1/tasks/{resource}", {"content": content})
    if status != 202:
        raise StackError(f"the task was refused with {status}: {answer[:500]!r}")
    return int(json.loads(answer)["task_id"])


if __name__ == "__main__":
    print(f"face model: version {settings.LUNATASKS_FACE_VERSION}")
    main()

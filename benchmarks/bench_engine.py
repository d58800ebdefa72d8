"""What the engine costs: clustering through a real stack against the plain function, and a task with empty work.

`python benchmarks/bench_engine.py [--objects 20000]`. DATABASE_URL and REDIS_URL choose the back end.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunatasks.settings")

import django

django.setup()

import numpy as np
from django.conf import settings
from threadpoolctl import threadpool_limits

from lunatasks.luna_services.descriptors import SFACE, normalise
from workers.numeric import clustering
from workers.torture.stack import Stack

EMPTY_TASKS = 30
MEMORY = 256 * 2**20


def main() -> None:
    """Print one row per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=20_000)
    count = parser.parse_args().objects
    vectors = people(count)
    plain = plain_seconds(vectors)
    print(f"clustering of {count} x {SFACE.dimension}, plain function, one thread: {plain:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "people.npz")
        np.savez(path, face_id=np.array([str(UUID(int=number + 1)) for number in range(count)]), descriptor=vectors)
        for workers in (1, 2):
            through_engine(path, workers, plain)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest process of the stacks: {peak:.0f} MiB")


def people(count: int) -> np.ndarray:
    """(count, d) vectors of people with ten photos each."""
    random = np.random.default_rng(1)
    centres = random.normal(size=(-(-count // 10), 1, SFACE.dimension))
    return normalise((centres + 0.3 * random.normal(size=(len(centres), 10, SFACE.dimension))).reshape(-1, 128)[:count])


def plain_seconds(vectors: np.ndarray) -> float:
    """The same tiles one after the other in this process, without rows, files and queue."""
    started = time.perf_counter()
    with threadpool_limits(1):
        edges = [
            clustering.tile_forest(vectors, tile, limit=SFACE.cluster_score, memory=MEMORY, check=lambda: None)
            for tile in clustering.tiles(len(vectors), settings.LUNATASKS_TILE_ROWS)
        ]
        clustering.groups(clustering.components(len(vectors), np.concatenate(edges)))
    return time.perf_counter() - started


def through_engine(path: Path, workers: int, plain: float) -> None:
    """The clustering, then tasks with next to nothing to do, on a fresh stack."""
    back_end = {"database": os.environ.get("DATABASE_URL", ""), "queue": os.environ.get("REDIS_URL", "")}
    with Stack(**back_end, workers=workers) as stack:
        stack.command("migrate", "--verbosity", "0")
        stack.command("importdescriptors", str(path))
        stack.start()
        times = [trip(stack) for _ in range(EMPTY_TASKS)]
        started = time.perf_counter()
        stack.finish(stack.create_clustering(), within=600)
        took = time.perf_counter() - started
        print(f"  through the engine, {workers} worker(s): {took:.2f} s, {took / plain:.2f} x the plain function")
        middle = statistics.median(times) * 1e3
        print(f"  round trip of a task of one object, {workers} worker(s): median {middle:.0f} ms")


def trip(stack: Stack) -> float:
    """Seconds from the POST of a clustering of one face to its end as a client sees it."""
    started = time.perf_counter()
    stack.finish(stack.create_clustering(filters={"face_ids": [str(UUID(int=1))]}))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

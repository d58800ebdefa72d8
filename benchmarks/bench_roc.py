"""ROC through a real stack with two workers: wall time, pairs per second, peak memory, and its figures against numpy's.

`python benchmarks/bench_roc.py [--full]`: 6 320 marked faces, whose 2e7 scores are all kept; `--full` adds 100 000
faces, 5e9 pairs, some minutes. DATABASE_URL and REDIS_URL choose the back end of the stack.
"""

import argparse
import json
import os
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
from stacks import peak_memory, processor_seconds

from lunatasks.luna_services.descriptors import SFACE, normalise
from workers.torture.stack import Stack, StackError

KEPT, MANY = 6_320, 100_000
PHOTOS = 10
NOISE = 2.0
KEY_FPRS = [0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
BIN_BITS = 22
ROWS = 256


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="100 000 faces too")
    for count in (KEPT, MANY) if parser.parse_args().full else (KEPT,):
        bench(count)


def bench(count: int) -> None:
    """A ROC of so many faces from the POST to the end, on a fresh stack."""
    random = np.random.default_rng(1)
    persons = np.repeat(np.arange(count // PHOTOS), PHOTOS)
    centres = random.standard_normal((count // PHOTOS, SFACE.dimension), dtype=np.float32)
    vectors = normalise(centres[persons] + NOISE * random.standard_normal((count, SFACE.dimension), dtype=np.float32))
    ids = [str(UUID(bytes=random.bytes(16))) for _ in persons]
    back_end = {"database": os.environ.get("DATABASE_URL", ""), "queue": os.environ.get("REDIS_URL", "")}
    with Stack(**back_end, workers=2) as stack:
        load(stack, ids, vectors)
        stack.start()
        markup = [{"face_id": one, "label": label} for one, label in zip(ids, persons.tolist(), strict=True)]
        result = evaluate(stack, markup, count * (count - 1) // 2)
    started = time.perf_counter()
    area, equal = plain_figures(vectors, persons)
    print(f"  AUC {result['AUC']:.9f}, plain numpy {area:.9f}, apart by {abs(result['AUC'] - area):.1e}")
    rate = result["EER"]["rate"]
    print(f"  EER {rate:.9f}, plain numpy {equal:.9f}, apart by {abs(rate - equal):.1e}")
    print(f"  plain numpy, float32 in bins {time.perf_counter() - started:10.1f} s, one thread or more")


def load(stack: Stack, ids: list[str], vectors: np.ndarray) -> None:
    """Faces with descriptors by `importdescriptors`."""
    stack.command("migrate", "--verbosity", "0")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faces.npz"
        np.savez(path, face_id=np.array(ids), descriptor=vectors)
        started = time.perf_counter()
        stack.command("importdescriptors", str(path))
    print(f"{len(ids)} faces imported in {time.perf_counter() - started:.1f} s")


def evaluate(stack: Stack, markup: list[dict[str, object]], pairs: int) -> dict:
    """The result of the task; prints what it took."""
    used, started = processor_seconds(stack), time.perf_counter()
    body = {"content": {"markup": markup, "key_FPRs": KEY_FPRS}}
    status, _, answer = stack.request("POST", "/1/tasks/roc", body, timeout=120)
    if status != 202:
        raise StackError(f"the task was refused with {status}: {answer[:500]!r}")
    posted = time.perf_counter() - started
    task_id = int(json.loads(answer)["task_id"])
    wait(stack, task_id)
    took = time.perf_counter() - started
    result: dict = json.loads(stack.result(task_id))["result"]
    used = processor_seconds(stack) - used
    print(f"ROC, {len(markup)} faces {pairs / took / 1e6:12.1f} M pairs/s  {pairs:.2g} pairs in {took:.1f} s")
    print(f"  request            {posted:8.1f} s   {len(json.dumps(body)) / 2**20:.1f} MiB")
    print(f"  processor time     {used:8.1f} s   of both workers, {used / pairs * 1e9:.1f} ns a pair")
    print(f"  peak memory        {peak_memory(stack):8.0f} MiB of the larger worker")
    return result


def wait(stack: Stack, task_id: int) -> None:
    """Until the task has ended, without asking so often that it counts."""
    while (task := stack.task(task_id))["end_time"] is None:
        time.sleep(0.5)
    if task["task_status"] != 5:
        raise StackError(f"the task ended with status {task['task_status']}: {stack.log_tail()}")


# -- plain version -----------------------------------------------------------------------------------


def plain_figures(vectors: np.ndarray, persons: np.ndarray) -> tuple[float, float]:
    """AUC and EER from single-precision scores, counted in 2^BIN_BITS bins."""
    counts = np.zeros((2, 2**BIN_BITS), np.int64)
    for row in range(0, len(vectors), ROWS):
        scores = vectors[row : row + ROWS] @ vectors[row:].T
        bins = ((scores + 1.01) * (2**BIN_BITS / 2.02)).astype(np.int32)
        above = np.arange(len(bins))[:, None] < np.arange(bins.shape[1])
        mated = persons[row : row + ROWS, None] == persons[row:]
        for kind, chosen in enumerate((~mated & above, mated & above)):
            counts[kind] += np.bincount(bins[chosen], minlength=2**BIN_BITS)
    nonmated, mated_counts = counts / counts.sum(axis=1, keepdims=True)
    above_bin = mated_counts[::-1].cumsum()[::-1] - mated_counts
    area = float(nonmated @ (above_bin + mated_counts / 2))
    false, missed = 1 - nonmated.cumsum(), mated_counts.cumsum()
    at = int(np.argmin(np.abs(false - missed)))
    return area, float(false[at] + missed[at]) / 2


if __name__ == "__main__":
    main()

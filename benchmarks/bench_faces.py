"""Faces: photos per second of the extractor, faces imported per second against a row at a time.

Run `python benchmarks/bench_faces.py`; it works on a test database of its own, which it drops.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

ACCOUNT = UUID("5b1f4f0e-8c2f-4f39-9f8a-0d9d0a6c1e11")
FACES = 100_000
ROWS_BASELINE = 2_000
PHOTOS = 60


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def random_file(count: int, seed: int):
    """A checked file of descriptors, as `importdescriptors` has it in memory."""
    from lunatasks.luna_services.descriptors import SFACE, normalise
    from lunatasks.luna_services.embedded.vectors import VectorFile

    random = np.random.default_rng(seed)
    ids = [UUID(bytes=row.tobytes()) for row in random.integers(0, 256, (count, 16), dtype=np.uint8)]
    vectors = normalise(random.standard_normal((count, SFACE.dimension)))
    return VectorFile(ids, vectors, [""] * count, SFACE.number)


def load_row_by_row(file) -> None:
    """The plain way: two statements a face, each in a transaction of its own."""
    from lunatasks.luna_services.descriptors import to_bytes
    from lunatasks.luna_services.embedded.models import Face, FaceDescriptor

    for face_id, vector in zip(file.ids, file.vectors, strict=True):
        face = Face.objects.create(face_id=face_id, account_id=ACCOUNT)
        FaceDescriptor.objects.create(face=face, version=file.version, vector=to_bytes(vector))


def bench_import() -> None:
    """Faces with descriptors per second."""
    from lunatasks.luna_services.embedded.faces import EmbeddedFaces
    from lunatasks.luna_services.embedded.vectors import load_vectors
    from lunatasks.luna_services.ports import FaceFilters

    slow = ROWS_BASELINE / seconds(lambda: load_row_by_row(random_file(ROWS_BASELINE, seed=1)))
    file, faces = random_file(FACES, seed=2), EmbeddedFaces()
    fast = FACES / seconds(lambda: load_vectors(file, ACCOUNT, faces))
    filters = FaceFilters(ACCOUNT)
    read = seconds(lambda: list(faces.iterate_descriptors(filters, version=file.version)))
    print(f"faces imported   {fast:9.0f}/s  {FACES} faces in {FACES / fast:.1f} s; row by row {slow:.0f}/s")
    print(f"  ratio          {fast / slow:9.1f} x  imported : row by row")
    print(f"descriptors read {FACES / read:9.0f}/s")


def bench_extractor() -> None:
    """Photos per second of the extractor, and without age and gender."""
    from lunatasks.luna_services.embedded.face_models.extractor import default_extractor
    from lunatasks.luna_services.embedded.images import decode_photo
    from lunatasks.luna_services.embedded.sample_photos import samples_folder

    paths = sorted(samples_folder().glob("*/*.jpg"))[:PHOTOS]
    if not paths:
        sys.exit("no sample photos: run `make samples`")
    data, extractor = [path.read_bytes() for path in paths], default_extractor()
    extractor.extract(data[0])
    whole = seconds(lambda: [extractor.extract(one) for one in data])
    pixels = [decode_photo(one, long_side=1280).pixels for one in data]
    detection = seconds(lambda: [extractor.detect(one) for one in pixels])
    print(f"photos           {len(data) / whole:9.1f}/s  one thread")
    print(f"  ratio          {detection / whole:9.2f}    detection : all")


@contextmanager
def throwaway_database():
    """A migrated test database and a storage in a temporary folder."""
    import django
    from django.conf import settings

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunatasks.settings")
    django.setup()
    from django.test.runner import DiscoverRunner

    runner = DiscoverRunner(verbosity=0, interactive=False)
    with tempfile.TemporaryDirectory() as folder:
        options = {"BACKEND": "lunatasks.storage.AtomicFileSystemStorage", "OPTIONS": {"location": folder}}
        settings.STORAGES = settings.STORAGES | {"default": options}
        databases = runner.setup_databases()
        try:
            yield
        finally:
            runner.teardown_databases(databases)


def main() -> None:
    """Print all rows."""
    with throwaway_database():
        bench_import()
        bench_extractor()


if __name__ == "__main__":
    main()

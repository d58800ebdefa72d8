"""The second half of the demo: every task type once on the photos at hand, and a row of a table for each.

ROC needs several photos of a person, which the sample portraits mostly lack: some are made by crop, blur and light,
and the table says so. What the tour makes in the database it finds again by its list, so that it can run many times.
"""

import io
import random
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings
from django.core.management import call_command
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import VERSIONS
from lunatasks.luna_services.ports import FaceFilters
from workers.client import Client

AUGMENTED_PHOTOS = 60
ESTIMATED_PHOTOS = 40
STATUS_DONE = 5
PHOTO_ENDINGS = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True, slots=True)
class Stop:
    """A row of the table: type, what it worked on, seconds, what came out."""

    name: str
    objects: str
    seconds: float
    result: str


class Tour:
    """Runs the types one after the other through the REST API."""

    def __init__(self, client: Client, photos: Path, list_id: UUID) -> None:
        self.client = client
        self._photos = photos
        self._list_id = list_id
        self._account = settings.LUNATASKS_DEFAULT_ACCOUNT_ID
        # Copies belong to the folder they were made of: another demo's must not stand among the references.
        self._altered_name = f"demo: altered copies of {list_id}"
        self._augmented = uuid5(self._account, f"list:{self._altered_name}")

    def make_more_photos(self) -> int:
        """Import altered copies of some photos under the names of their persons; how many."""
        folder = settings.LUNATASKS_HOME / "augmented-photos" / str(self._list_id)
        folder.mkdir(parents=True, exist_ok=True)
        chosen = _some_photos(self._photos, AUGMENTED_PHOTOS)
        for path in chosen:
            target = folder / path.parent.name / f"{path.stem}.jpg"
            if not target.exists():
                target.parent.mkdir(exist_ok=True)
                _altered(path).save(target, quality=85)
        call_command("importfaces", str(folder), "--list", self._altered_name, "--json", stdout=io.StringIO())
        return len(chosen)

    def stops(self, clustering: Stop, clustering_id: int) -> Iterator[Stop]:
        """The rows, each as soon as it is known."""
        yield clustering
        yield self._reporter(clustering_id)
        yield self._linker()
        yield self._exporter()
        if self._count(self._augmented):
            yield self._cross_match()
            yield self._roc()
        yield self._additional_extract()
        yield self._gc()
        yield self._estimator()

    def run(self, resource: str, content: dict[str, Any]) -> tuple[int, float]:
        """Create a task and wait for its end; its id and the seconds it took. Raises TourEnded."""
        started = time.monotonic()
        task_id = self.client.create(resource, {"content": content, "description": "demo"})
        task = self.client.wait(task_id)
        if task["task_status"] != STATUS_DONE:
            details = "; ".join(error["detail"] for error in self.client.errors(task_id))
            raise TourEnded(f"{resource} task {task_id} did not end well: {details}")
        return task_id, time.monotonic() - started

    def _list_filters(self) -> dict[str, str]:
        return {"list_id": str(self._list_id)}

    def _count(self, list_id: UUID) -> int:
        return registry.faces().count_faces(FaceFilters(account_id=self._account, list_id=list_id))

    def _reporter(self, clustering_id: int) -> Stop:
        content = {"filters": {"task_id": clustering_id}, "columns": ["external_id", "user_data"], "save_images": 1}
        task_id, seconds = self.run("reporter", content)
        return Stop("reporter", f"task {clustering_id}", seconds, _zip_words(self.client.download(task_id)))

    def _linker(self) -> Stop:
        list_id = uuid5(self._account, "list:demo: linked")
        content = {"create_list": 1, "list_id": str(list_id), "user_data": "demo: linked", "objects_type": "faces"}
        task_id, seconds = self.run("linker", {**content, "filters": self._list_filters()})
        linked = len(self.client.result(task_id)["result"])
        return Stop("linker", f"{self._count(self._list_id)} faces", seconds, f"{linked} linked to 'demo: linked'")

    def _exporter(self) -> Stop:
        content = {"objects_type": "faces", "filters": self._list_filters(), "columns": ["external_id", "create_time"]}
        task_id, seconds = self.run("exporter", {**content, "save_images": 1})
        words = _zip_words(self.client.download(task_id))
        return Stop("exporter", f"{self._count(self._list_id)} faces", seconds, words)

    def _cross_match(self) -> Stop:
        filters = {
            "reference_type": "faces",
            "candidate_type": "faces",
            "reference_filters": {"list_id": str(self._augmented)},
            "candidate_filters": self._list_filters(),
        }
        task_id, seconds = self.run("cross_match", {"filters": filters, "limit": 1})
        rows = self.client.result(task_id)["result"]
        people = self._people()
        right = sum(people[row["reference_id"]] == people.get(row["candidates"][0]["candidate_id"]) for row in rows)
        references, candidates = self._count(self._augmented), self._count(self._list_id)
        return Stop(
            "cross match",
            f"{references} x {candidates} faces",
            seconds,
            f"{right} of {references} altered photos find their person first",
        )

    def _roc(self) -> Stop:
        people = self._people()
        numbers = {name: number for number, name in enumerate(sorted(set(people.values())))}
        markup = [{"face_id": face, "label": numbers[name]} for face, name in sorted(people.items())]
        task_id, seconds = self.run("roc", {"markup": markup, "key_FPRs": [0.001, 0.01]})
        result = self.client.result(task_id)["result"]
        point = result["key_points"][0] if result["key_points"] else {}
        words = "undefined: it takes several persons with several photos each"
        if result["AUC"] is not None:
            words = f"AUC {result['AUC']:.5f}, TPR {point['TPR']:.3f} at FPR 1e-3 (second photos are altered copies)"
        return Stop("ROC", f"{len(markup)} faces", seconds, words)

    def _additional_extract(self) -> Stop:
        version = _other_version()
        content = {
            "extraction_target": "face_descriptor",
            "options": {"missing": True, "descriptor_version": version},
            "filters": {"objects_type": "faces", "face_id__lt": "10000000-0000-0000-0000-000000000000"},
        }
        task_id, seconds = self.run("additional_extract", content)
        done = len(self.client.result(task_id)["result"])
        return Stop("additional extract", f"{done} faces", seconds, f"descriptors of version {version}")

    def _gc(self) -> Stop:
        version = _other_version()
        content = {"target": "face_descriptors", "filters": {"descriptor_version": version}, "store_results": True}
        task_id, seconds = self.run("gc", content)
        removed = len(self.client.result(task_id)["result"])
        return Stop("gc", f"{removed} faces", seconds, f"their descriptors of version {version} are removed again")

    def _estimator(self) -> Stop:
        photos = _some_photos(self._photos, ESTIMATED_PHOTOS)
        reference = _stored_archive(self._account, photos)
        source = {"source_type": "zip", "reference": str(reference), "recursive": True}
        policies = {
            "detect_policy": {},
            "extract_policy": {"extract_face_descriptor": 1, "extract_basic_attributes": 1},
        }
        content = {"handler": {"policies": policies}, "source": source}
        task_id, seconds = self.run("estimator", content)
        rows = self.client.result(task_id)["result"]
        made = sum(len(row["events"]) for row in rows)
        return Stop("estimator", f"zip of {len(rows)} photos", seconds, f"{made} events with age and gender")

    def _people(self) -> dict[str, str]:
        """External id (the person) of each face of both lists, by face id."""
        people: dict[str, str] = {}
        for list_id in (self._list_id, self._augmented):
            for ids in registry.faces().iterate_ids(FaceFilters(account_id=self._account, list_id=list_id)):
                cards = registry.faces().get_faces(self._account, ids)
                people |= {str(card.face_id): card.external_id or card.user_data for card in cards}
        return people


class TourEnded(Exception):
    """A task of the tour failed; the text says which and why."""


def table(stops: list[Stop]) -> str:
    """The rows under each other."""
    head = ("task type", "objects", "time", "result")
    rows = [(stop.name, stop.objects, f"{stop.seconds:.1f} s", stop.result) for stop in stops]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(3)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2]), row[3]])
        for row in [head, *rows]
    ]
    return "\n".join(lines)


def _some_photos(folder: Path, count: int) -> list[Path]:
    photos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_ENDINGS)
    named = [path for path in photos if path.parent != folder] or photos
    return [named[number * len(named) // count] for number in range(count)] if len(named) > count else named


def _altered(path: Path) -> Image.Image:
    """A copy with another crop, softness and light: the same for the same file."""
    chance = random.Random(path.name)  # noqa: S311  not for secrets
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    width, height = image.size
    crop = [int(side * chance.uniform(0, 0.06)) for side in (width, height, width, height)]
    image = image.crop((crop[0], crop[1], width - crop[2], height - crop[3]))
    image = image.filter(ImageFilter.GaussianBlur(max(image.size) * chance.uniform(0.001, 0.004)))
    return ImageEnhance.Brightness(image).enhance(chance.choice((0.6, 0.75, 1.3, 1.5)))


def _stored_archive(account_id: UUID, photos: list[Path]) -> UUID:
    """The photos as a zip in the image store; its id."""
    names = [f"{path.parent.name}/{path.name}" for path in photos]
    object_id = uuid5(account_id, "demo archive: " + "\n".join(names))
    bucket = registry.buckets().objects
    with tempfile.TemporaryFile() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, path in zip(names, photos, strict=True):
                archive.write(path, name)
        stream.seek(0)
        registry.image_store().put_object(account_id, bucket, object_id, stream, content_type="application/zip")
    return object_id


def _zip_words(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        table_name = next(name for name in names if name.endswith(".csv"))
        rows = archive.read(table_name).count(b"\n") - 1
    images = sum(name.startswith("images/") for name in names)
    return f"{rows} rows and {images} images in {len(data) / 1e6:.1f} MB of zip"


def _other_version() -> int:
    """A face version that the imports did not make."""
    return next(
        version.number
        for version in VERSIONS.values()
        if version.kind == "face" and version.number != settings.LUNATASKS_FACE_VERSION
    )

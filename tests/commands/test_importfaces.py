"""importfaces on real photos, broken files and second runs."""

import io
import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from PIL import Image

from lunatasks.luna_services.descriptors import SFACE
from lunatasks.luna_services.embedded.face_models.extractor import FaceExtractor
from lunatasks.luna_services.embedded.faces import EmbeddedFaces
from lunatasks.luna_services.embedded.models import Face, FaceDescriptor, FaceLink, FaceList, FaceSample, StoredFile
from lunatasks.luna_services.ports import FaceFilters
from tests.photos import copied, encoded, extractor, opened

pytestmark = pytest.mark.django_db


@pytest.fixture
def album(tmp_path) -> Path:
    """Two persons, a photo of both, a photo of nobody, a copy, a broken file and a note."""
    extractor()
    root = tmp_path / "album"
    copied("obama/obama.jpg", root / "Barack Obama" / "one.jpg")
    copied("obama/obama2.jpg", root / "Barack Obama" / "two.JPG")
    copied("biden/biden.jpg", root / "more" / "Joe Biden" / "one.jpg")
    copied("obama/obama.jpg", root / "copies" / "again.jpg")
    both = Image.new("RGB", (1820, 1137))
    both.paste(opened("obama/obama.jpg"), (0, 0))
    both.paste(opened("biden/biden.jpg").resize((500, 1136)), (910, 0))
    (root / "both.png").write_bytes(encoded(both, "PNG"))
    (root / "nobody.jpg").write_bytes(encoded(Image.new("RGB", (400, 300), "green")))
    (root / "more" / "broken.jpg").write_bytes(b"these bytes are no image")
    (root / "note.txt").write_text("not a photo")
    (root / ".hidden.jpg").write_text("not looked at")
    return root


def run(*arguments: Any, **options: Any) -> dict[str, Any]:
    """The summary of a run."""
    out = io.StringIO()
    call_command("importfaces", *map(str, arguments), "--json", stdout=out, **options)
    return json.loads(out.getvalue())


def test_every_face_is_imported_and_every_file_counted(album, account):
    summary = run(album)

    assert summary["account_id"] == str(account)
    assert (summary["photos"], summary["other_files"]) == (7, 1)
    assert (summary["new_faces"], summary["several_faces"], summary["without_face"]) == (5, 1, 1)
    assert (summary["duplicates"], summary["known_photos"]) == (1, 0)
    assert [item["file"] for item in summary["broken"]] == ["more/broken.jpg"]
    assert summary["photos_per_second"] > 0
    assert FaceDescriptor.objects.filter(version=SFACE.number).count() == 5
    assert all(default_storage.exists(name) for name in StoredFile.objects.values_list("name", flat=True))


def test_folders_become_external_ids_and_paths_user_data(album, account):
    run(album)

    found = sorted(Face.objects.values_list("external_id", "user_data"))
    assert found == [
        ("", "both.png"),
        ("", "both.png"),
        ("Barack Obama", "Barack Obama/one.jpg"),
        ("Barack Obama", "Barack Obama/two.JPG"),
        ("Joe Biden", "more/Joe Biden/one.jpg"),
    ]
    assert set(Face.objects.values_list("gender", flat=True)) == {1}
    assert set(Face.objects.values_list("ethnicity", flat=True)) == {None}


def test_a_second_run_adds_nothing_and_looks_for_no_face(album, monkeypatch):
    run(album)

    def look(*_: Any) -> None:
        pytest.fail("a known photo was looked at again")

    (album / "more" / "broken.jpg").unlink()
    monkeypatch.setattr(FaceExtractor, "extract", look)
    summary = run(album)

    assert summary["new_faces"] == 0
    assert (summary["known_photos"], summary["duplicates"]) == (5, 1)
    assert Face.objects.count() == FaceSample.objects.count() == 5


def test_deleted_faces_come_back_by_another_run(album, account):
    run(album)
    ids = list(Face.objects.filter(external_id="Joe Biden").values_list("face_id", flat=True))
    EmbeddedFaces().delete_faces(account, ids)

    summary = run(album)

    assert summary["new_faces"] == 1
    assert list(Face.objects.filter(external_id="Joe Biden").values_list("face_id", flat=True)) == ids


def test_a_named_list_is_made_once_and_holds_known_faces_too(album, account):
    run(album)

    first, second = run(album, "--list", "guests"), run(album, "--list", "guests")

    assert first["list_id"] == second["list_id"] == str(FaceList.objects.get(user_data="guests").list_id)
    assert FaceLink.objects.count() == 5


def test_another_account_gets_faces_of_its_own(album, account, other_account):
    run(album)

    summary = run(album, "--account", other_account)

    assert summary["new_faces"] == 5
    assert EmbeddedFaces().count_faces(FaceFilters(account)) == 5
    assert EmbeddedFaces().count_faces(FaceFilters(other_account)) == 5


@pytest.mark.stack
def test_two_processes_find_the_same_faces(album, account, other_account):
    run(album)

    run(album, "--account", other_account, "--jobs", "2")

    def vectors(owner: Any) -> list[bytes]:
        rows = FaceDescriptor.objects.filter(face__account_id=owner).values_list("vector", flat=True)
        return sorted(bytes(row) for row in rows)

    assert vectors(account) == vectors(other_account)


def test_the_summary_is_readable_and_names_broken_files(album):
    out = io.StringIO()

    call_command("importfaces", str(album), stdout=out)

    assert "5 new faces" in out.getvalue()
    assert "more/broken.jpg: cannot be decoded (UnidentifiedImageError)" in out.getvalue()
    assert "these bytes" not in out.getvalue()


def test_files_that_cannot_be_read_are_counted(tmp_path):
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.jpg")).write_bytes(b"name that is no UTF-8")

    summary = run(tmp_path)

    assert summary["photos"] == len(summary["broken"]) == 3


def test_an_empty_folder_gives_an_empty_summary(tmp_path):
    summary = run(tmp_path)

    assert (summary["photos"], summary["new_faces"], summary["broken"]) == (0, 0, [])


def test_a_storage_that_is_full_ends_the_run_with_a_reason(album, monkeypatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lunatasks.storage.AtomicFileSystemStorage._save", refuse)

    with pytest.raises(CommandError, match="No space left on device"):
        run(album)

    assert Face.objects.count() == 0


def test_missing_models_end_the_run_before_it_begins(album, settings, tmp_path):
    settings.LUNATASKS_MODELS_DIR = tmp_path / "none"

    with pytest.raises(CommandError, match="make models"):
        run(album)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(CommandError, match="is no folder"):
        run(tmp_path / "absent")


@pytest.mark.parametrize("arguments", [("--account", "17"), ("--jobs", "0"), ("--jobs", "x")])
def test_nonsense_options_are_refused(tmp_path, arguments):
    with pytest.raises(CommandError):
        run(tmp_path, *arguments)


def test_a_list_of_another_account_is_refused(album, other_account):
    list_id = uuid4()
    EmbeddedFaces().ensure_list(other_account, list_id)

    with pytest.raises(CommandError, match="is not one of account"):
        run(album, "--list", list_id)

    assert Face.objects.count() == 0

"""importdescriptors: all of a file is checked before anything is written."""

import io
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from lunatasks.luna_services.descriptors import SFACE, normalise
from lunatasks.luna_services.embedded import vectors
from lunatasks.luna_services.embedded.faces import EmbeddedFaces
from lunatasks.luna_services.embedded.models import Face, FaceLink
from lunatasks.luna_services.ports import FaceFilters

pytestmark = pytest.mark.django_db
COUNT = 7


def texts(ids: list[UUID]) -> np.ndarray:
    return np.array([str(face_id) for face_id in ids])


@pytest.fixture
def arrays() -> dict[str, Any]:
    """A good file's arrays."""
    random = np.random.default_rng(1)
    return {
        "face_id": texts([UUID(bytes=random.bytes(16)) for _ in range(COUNT)]),
        "descriptor": random.standard_normal((COUNT, 128)).astype(np.float32) * 9,
        "external_id": np.array([f"person {number}" for number in range(COUNT)]),
        "version": np.array(SFACE.number),
    }


@pytest.fixture
def saved(tmp_path):
    """A file of the given arrays."""

    def save(**arrays: Any) -> Path:
        path = tmp_path / "vectors.npz"
        np.savez(path, **arrays)
        return path

    return save


def run(path: Path, *arguments: Any) -> dict[str, Any]:
    out = io.StringIO()
    call_command("importdescriptors", str(path), *map(str, arguments), "--json", stdout=out)
    return json.loads(out.getvalue())


@pytest.mark.parametrize("batch", [1, 3, 500])
def test_all_rows_become_faces(arrays, saved, account, monkeypatch, batch):
    monkeypatch.setattr(vectors, "BATCH_FACES", batch)

    summary = run(saved(**arrays))

    [(ids, rows)] = EmbeddedFaces().iterate_descriptors(FaceFilters(account), version=SFACE.number)
    order = np.argsort(arrays["face_id"])
    assert (summary["rows"], summary["new_faces"], summary["known_faces"]) == (COUNT, COUNT, 0)
    assert [str(UUID(bytes=row.tobytes())) for row in ids] == arrays["face_id"][order].tolist()
    assert (rows == normalise(arrays["descriptor"])[order]).all()
    assert Face.objects.get(external_id="person 3").face_id == UUID(arrays["face_id"][3])


def test_a_second_run_adds_nothing(arrays, saved):
    run(saved(**arrays))

    summary = run(saved(**arrays))

    assert (summary["new_faces"], summary["known_faces"]) == (0, COUNT)
    assert Face.objects.count() == COUNT


def test_external_id_and_version_may_be_absent(arrays, saved):
    run(saved(face_id=arrays["face_id"], descriptor=arrays["descriptor"]))

    assert set(Face.objects.values_list("external_id", flat=True)) == {""}


def test_ids_may_be_bytes_of_uuids(arrays, saved):
    raw = np.stack([np.frombuffer(UUID(text).bytes, dtype=np.uint8) for text in arrays["face_id"]])

    run(saved(**arrays | {"face_id": raw}))

    assert Face.objects.filter(face_id=UUID(arrays["face_id"][0])).exists()


def test_faces_are_linked_to_the_named_list(arrays, saved):
    summary = run(saved(**arrays), "--list", "loaded")

    assert FaceLink.objects.filter(face_list=summary["list_id"]).count() == COUNT


def test_an_empty_file_loads_nothing(saved):
    summary = run(saved(face_id=np.empty(0, dtype="U36"), descriptor=np.empty((0, 128), dtype=np.float32)))

    assert summary["new_faces"] == 0


def changed(name: str, row: Any, value: Any):
    def change(arrays: dict[str, Any]) -> dict[str, Any]:
        copy = arrays[name].copy()
        copy[row] = value
        return arrays | {name: copy}

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed("descriptor", 4, np.nan), "descriptor of row 4 is not finite"),
        (changed("descriptor", 6, 0), "descriptor of row 6 .* length zero"),
        (changed("face_id", 2, "no uuid"), "face_id of row 2 is not a uuid"),
        (lambda arrays: changed("face_id", 5, arrays["face_id"][1])(arrays), "row 5 stands in row 1 already"),
        (lambda arrays: arrays | {"descriptor": arrays["descriptor"][:, :64]}, r"shape \(7, 128\), not \(7, 64\)"),
        (lambda arrays: arrays | {"descriptor": arrays["descriptor"][:3]}, r"shape \(7, 128\), not \(3, 128\)"),
        (lambda arrays: arrays | {"descriptor": arrays["descriptor"].astype(str)}, "must be numbers"),
        (lambda arrays: arrays | {"version": np.array(59)}, "version 59 is not known; known: 1001"),
        (lambda arrays: arrays | {"version": np.array([1001] * 6 + [59])}, "versions 59, 1001 in one file"),
        (lambda arrays: arrays | {"version": np.array("x")}, "'version' must be one whole number"),
        (lambda arrays: arrays | {"external_id": np.array(["x" * 129] + ["y"] * 6)}, "row 0 is longer than 128"),
        (lambda arrays: arrays | {"external_id": np.arange(7)}, "'external_id' must be 7 texts"),
        (lambda arrays: arrays | {"face_id": np.arange(7)}, "'face_id' must be n uuids"),
        (lambda arrays: {"descriptor": arrays["descriptor"]}, "'face_id' is missing; found: descriptor"),
    ],
)
def test_a_bad_file_is_named_and_nothing_of_it_written(arrays, saved, change, message):
    with pytest.raises(CommandError, match=message):
        run(saved(**change(arrays)), "--list", "never made")

    assert Face.objects.count() == 0


def test_pickled_objects_are_never_loaded(arrays, saved):
    path = saved(**arrays | {"external_id": np.array([object()] * COUNT, dtype=object)})

    with pytest.raises(CommandError, match="without pickled objects"):
        run(path)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_what_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "vectors.npz"
    path.write_bytes(content)

    with pytest.raises(CommandError, match="cannot be read"):
        run(path)


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "vectors.npy", np.ones(3))

    with pytest.raises(CommandError, match="npz"):
        run(tmp_path / "vectors.npy")


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(CommandError, match="FileNotFoundError"):
        run(tmp_path / "absent.npz")


def test_ids_of_another_account_are_refused_before_anything_is_written(arrays, saved, account, other_account):
    run(saved(face_id=arrays["face_id"][4:5], descriptor=arrays["descriptor"][4:5]), "--account", other_account)

    with pytest.raises(CommandError, match="face_id of row 4 cannot be used"):
        run(saved(**arrays))

    assert EmbeddedFaces().count_faces(FaceFilters(account)) == 0


def test_a_list_of_another_account_is_refused(arrays, saved, other_account):
    list_id = uuid4()
    EmbeddedFaces().ensure_list(other_account, list_id)

    with pytest.raises(CommandError, match="is not one of account"):
        run(saved(**arrays), "--list", list_id)

    assert Face.objects.count() == 0

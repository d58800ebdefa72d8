"""What the torture's mix asks of each task type, and what its checks find."""

import io
import zipfile

import numpy as np
import orjson
import pytest
from django.utils import timezone

from tasks_app.contents import validate_content
from tasks_app.states import Status, TaskType
from tests.conftest import ACCOUNT
from tests.photos import extractor
from workers.torture import ground, mix

SCENARIOS = {scenario.name: scenario for scenario in mix.SCENARIOS}
TYPES = {
    "clustering": TaskType.CLUSTERING,
    "linker": TaskType.LINKER,
    "gc": TaskType.GC,
    "exporter": TaskType.EXPORTER,
    "exporter with images": TaskType.EXPORTER,
    "cross match": TaskType.CROSS_MATCH,
    "ROC": TaskType.ROC,
    "additional extraction": TaskType.ADDITIONAL_EXTRACT,
    "estimator": TaskType.ESTIMATOR,
}
TURN = mix.Turn(7, clustering_id=1)
FACES = sorted(mix.FACES)


def answer(result):
    return orjson.dumps({"result": result, "errors": []})


def zipped(header, rows, name="task_1.csv", digest="0", images=()):
    manifest = b'{"rows":%d,"files":[\n{"name":"%s","sha256":"%s"}\n]}\n' % (len(rows), name.encode(), digest.encode())
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, "".join(f"{line}\r\n" for line in [header, *rows]))
        for image in images:
            archive.writestr(f"images/{image}.jpg", b"a picture")
        archive.writestr("manifest.json", manifest)
    return stream.getvalue()


def arrays_of(write):
    stream = io.BytesIO()

    class File:
        write_bytes = staticmethod(stream.write)

    write(File)
    stream.seek(0)
    return np.load(stream)


@pytest.mark.parametrize("name", TYPES)
def test_contents_of_the_mix_are_valid(name):
    content = SCENARIOS[name].body(TURN)["content"]

    assert validate_content(TYPES[name], content, account_id=ACCOUNT, now=timezone.now())


def test_every_task_type_is_in_the_mix():
    paths = {scenario.path.rpartition("/")[2] for scenario in mix.SCENARIOS}

    assert paths == {kind.name.lower() for kind in TaskType} - {"unknown"}


def test_every_gc_has_victims_of_its_own_and_nobody_else():
    names = arrays_of(ground.write_victims)["external_id"].tolist()

    first, second = (
        SCENARIOS["gc"].body(mix.Turn(number, 1))["content"]["filters"]["external_ids"][0] for number in (1, 2)
    )
    assert first != second
    assert names.count(first) == names.count(second) == ground.VICTIMS
    assert ground.PERSON not in names


def test_a_face_that_was_not_linked_is_found():
    check = SCENARIOS["linker"].check

    assert check(answer(FACES)) == ""
    assert "linked" in check(answer(FACES[1:]))
    assert "linked" in check(answer([FACES[0], *FACES]))


def test_a_row_that_is_missing_is_found_and_the_number_of_the_task_does_not_count():
    scenario = SCENARIOS["exporter"]
    rows = [f"{face_id}," for face_id in FACES]

    assert scenario.check(zipped("face_id,a", rows)) == ""
    assert "rows" in scenario.check(zipped("face_id,a", rows[:-1]))
    first, second = (scenario.essence(zipped("face_id,a", rows, f"task_{number}.csv")) for number in (1, 2))
    assert first == second


def test_every_file_of_an_exports_archive_must_repeat():
    scenario, rows = SCENARIOS["exporter"], [f"{face_id}," for face_id in FACES]
    first = scenario.essence(zipped("h", rows))

    assert scenario.essence(zipped("h", [rows[0] + "x", *rows[1:]])) != first
    assert scenario.essence(zipped("h", rows, digest="1")) != first
    assert scenario.essence(zipped("h", rows, images=["a"])) != first


def test_a_picture_that_is_missing_or_another_one_is_found():
    check, ids = SCENARIOS["exporter with images"].check, [str(one) for one in ground.PICTURED]
    rows = [f"{face_id},pictured" for face_id in ids]

    assert check(zipped("h", rows, images=ids)) == ""
    assert "rows" in check(zipped("h", rows[1:], images=ids))
    assert "images" in check(zipped("h", rows, images=ids[1:]))


def test_a_report_that_lacks_a_face_or_moves_one_is_found_and_only_its_lists_may_differ():
    scenario = SCENARIOS["reporter"]
    rows = [f"{at // ground.PHOTOS},{face_id},person,data,lists" for at, face_id in enumerate(FACES)]

    assert scenario.check(zipped("cluster,face_id,external_id,user_data,lists", rows)) == ""
    assert "rows" in scenario.check(zipped("cluster,face_id,external_id,user_data,lists", rows[:-1]))
    moved = ["1" + row[1:] if row.startswith("0,") else row for row in rows]
    assert "clusters" in scenario.check(zipped("cluster,face_id,external_id,user_data,lists", moved))
    first = scenario.essence(zipped("h", rows))
    lists = [row.replace(",lists", ',"other,lists"') for row in rows]
    assert scenario.essence(zipped("h", lists, "task_2.csv", digest="1")) == first
    assert scenario.essence(zipped("h", [row.replace("data", "other") for row in rows])) != first


def test_a_cluster_too_many_of_nearest_neighbours_is_found():
    check = SCENARIOS["clustering with limit"].check

    assert check(answer([FACES[:-25], *([face_id] for face_id in FACES[-25:])])) == ""
    assert "clusters" in check(answer([FACES]))


def test_a_match_that_lacks_a_mate_or_repeats_one_is_found():
    check = SCENARIOS["cross match"].check

    def rows(change=lambda candidates: candidates):
        for reference in mix.FACES[: mix.MATCHED]:
            start = mix.FACES.index(reference) // ground.PHOTOS * ground.PHOTOS
            mates = [one for one in mix.FACES[start : start + ground.PHOTOS] if one != reference]
            yield {"reference_id": reference, "candidates": [{"candidate_id": one} for one in change(mates)]}

    assert check(answer(list(rows()))) == ""
    assert "references" in check(answer(list(rows())[1:]))
    assert "mates" in check(answer(list(rows(lambda mates: mates[1:]))))
    assert "mates" in check(answer(list(rows(lambda mates: [mates[0], *mates[:-1]]))))
    assert "mates" in check(answer(list(rows(lambda mates: [*mates[1:], mix.FACES[-1]]))))


def test_pairs_that_a_roc_counted_twice_are_found():
    check, objects = SCENARIOS["ROC"].check, ground.PEOPLE * ground.PHOTOS
    mated = objects * (ground.PHOTOS - 1) // 2
    nonmated = objects * (objects - 1) // 2 - mated

    def roc(mated, auc=1.0):
        return answer({"counts": {"mated": mated, "nonmated": nonmated}, "AUC": auc})

    assert check(roc(mated)) == ""
    assert "pairs" in check(roc(mated + 1))
    assert "AUC" in check(roc(mated, 0.99))


def test_an_extraction_done_twice_or_in_half_is_found():
    check, check_first = SCENARIOS["additional extraction"].check, SCENARIOS["additional extraction"].check_first
    rows = [{"object_id": str(one), "samples": [], "generation": 1} for one in ground.bare_faces(7)]

    assert check(answer(rows)) == check(answer(rows[1:])) == check(answer([])) == check_first(answer(rows)) == ""
    assert "expected" in check_first(answer(rows[1:]))
    assert "twice" in check(answer([rows[0], *rows[:-1]]))
    assert "twice" in check(answer([{**row, "generation": 2} for row in rows]))


def test_the_rows_of_an_extraction_repeat_but_for_ids_and_one_that_found_all_done_has_none():
    essence = SCENARIOS["additional extraction"].essence

    def rows(number, generation=1):
        return [{"object_id": str(one), "samples": [], "generation": generation} for one in ground.bare_faces(number)]

    assert essence(answer([])) == essence(answer(rows(7)[1:])) == b""
    assert essence(answer(rows(7))) == essence(answer(rows(8)))
    assert essence(answer(rows(7, 2))) != essence(answer(rows(7)))


def test_every_extraction_has_faces_of_its_own():
    first, second = (
        SCENARIOS["additional extraction"].body(mix.Turn(number, 1))["content"]["filters"] for number in (1, 2)
    )

    assert first["face_id__lt"] == second["face_id__gte"]
    assert [first["face_id__gte"], second["face_id__gte"]] == [str(ground.bare_faces(one)[0]) for one in (1, 2)]


def test_a_photo_without_its_event_is_found_and_ids_times_and_turns_do_not_count():
    scenario = SCENARIOS["estimator"]

    def rows(event_id, time, turn):
        event = {"event_id": event_id, "create_time": time, "tags": [turn]}
        names = [name.partition("/")[2] for name in ground.PORTRAITS]
        return [{"filename": name, "events": [event]} for name in names] + [{"filename": ground.BROKEN, "events": []}]

    first = rows("0e4b1a1c-0000-4000-8000-000000000000", "2026-01-01T00:00:00.000Z", "turn 1")
    second = rows("0e4b1a1c-0000-4000-8000-00000000000f", "2026-01-02T00:00:00.000Z", "turn 2")

    assert scenario.check(answer(first)) == ""
    assert "events" in scenario.check(answer(first[1:]))
    assert "events" in scenario.check(answer([{**row, "events": row["events"] * 2} for row in first]))
    assert scenario.essence(answer(first)) == scenario.essence(answer(second))


def test_the_photos_of_the_archive_have_one_face_each(tmp_path):
    ground.write_archive(tmp_path / "photos.zip")

    with zipfile.ZipFile(tmp_path / "photos.zip") as archive:
        faces = [len(extractor().extract(archive.read(name))) for name in archive.namelist() if name != ground.BROKEN]
        assert archive.read(ground.BROKEN)
    assert faces == [1] * len(ground.PORTRAITS)


def test_only_a_clustering_of_nothing_may_fail():
    assert [name for name, scenario in SCENARIOS.items() if scenario.expected != Status.DONE] == [
        "clustering of nothing"
    ]

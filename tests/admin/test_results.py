"""Results of every type as pages."""

from io import BytesIO
from uuid import UUID, uuid4

import numpy as np
import orjson
import pytest
from django.contrib.auth.models import Permission, User

from lunatasks.admin_site.results import stream as reading
from lunatasks.luna_services import registry
from tasks_app.states import Status, TaskType

SCRIPT = '"><script>alert(1)</script>\\'


def ids(count: int, *, start: int = 0) -> list[str]:
    return [str(UUID(int=number)) for number in range(start, start + count)]


def page_of(client, task, **query) -> str:
    answer = client.get(f"/admin/tasks_app/task/{task.pk}/change/", query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def only_tasks(sign_in):
    """A user who may see tasks and nothing of the platform."""
    client = sign_in()
    User.objects.latest("pk").user_permissions.add(Permission.objects.get(codename="view_task"))
    return client


# -- reading


def rows_of(count: int) -> list[dict]:
    texts = ["", '"', "\\", '\\"', "{[", "]},{", "äß漢", "\n", "\\\\", SCRIPT, '"}{"']
    return [
        {"filename": texts[n % len(texts)], "events": [{"deep": [{"a": texts[-n % len(texts)]}]}] * (n % 3)}
        for n in range(count)
    ]


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 2**20])
@pytest.mark.parametrize("count", [0, 1, 2, 25])
def test_rows_are_found_wherever_blocks_end(monkeypatch, chunk, count):
    monkeypatch.setattr(reading, "CHUNK", chunk)
    rows = rows_of(count)
    stream = BytesIO(orjson.dumps(rows))

    places = reading.row_places(stream)

    assert reading.read_rows(stream, places) == rows
    assert list(reading.all_rows(stream)) == rows
    assert reading.read_rows(stream, reading.row_places(stream, 3)) == rows[:3]


@pytest.mark.parametrize("seed", range(10))
def test_rows_of_random_texts_are_found(monkeypatch, seed):
    random = np.random.default_rng(seed)
    monkeypatch.setattr(reading, "CHUNK", int(random.integers(1, 50)))
    letters = list('"\\{}[],:ab ')
    rows = [
        {"x": "".join(random.choice(letters, random.integers(0, 12))), "y": [{"z": 1}] * int(random.integers(0, 3))}
        for _ in range(30)
    ]
    stream = BytesIO(orjson.dumps(rows))

    assert reading.read_rows(stream, reading.row_places(stream)) == rows


@pytest.mark.parametrize("chunk", [1, 3, 16, 2**20])
def test_marks_are_counted_wherever_blocks_end(monkeypatch, chunk):
    monkeypatch.setattr(reading, "CHUNK", chunk)
    text = b'{"ab":1,"abc":2}' * 9

    assert reading.count_marks(BytesIO(text), b'"ab"', b'"abc"', b"no") == [9, 9, 0]


def test_a_row_that_is_too_long_is_left_out(monkeypatch):
    monkeypatch.setattr(reading, "LONGEST_ROW", 50)
    monkeypatch.setattr(reading, "CHUNK", 16)
    stream = BytesIO(orjson.dumps([{"a": 1}, {"a": "x" * 500}, {"a": 2}]))

    assert list(reading.all_rows(stream)) == [{"a": 1}, {"a": 2}]
    assert reading.read_rows(stream, reading.row_places(stream)) == [{"a": 1}, {}, {"a": 2}]


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_ids_are_counted_and_read_by_their_place(count):
    data = orjson.dumps(ids(count))

    assert reading.count_ids(len(data)) == count
    assert reading.read_ids(BytesIO(data), 1, min(3, count)) == ids(count)[:3]


# -- what every type has in common


TYPES = [kind for kind in TaskType if kind not in (TaskType.UNKNOWN, TaskType.CLUSTERING)]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("stored", [b"", b"x", b"{}", b"[1]", b"[[]]", b'[{"a":1}]', b"PK\x05\x06", b"\xff" * 100])
def test_a_damaged_result_breaks_no_page(admin, finished_task, kind, stored):
    task = finished_task(stored=stored, task_type=kind, content={})

    assert "Result" in page_of(admin, task)


@pytest.mark.parametrize("kind", TYPES)
def test_a_result_whose_file_is_gone_is_told(admin, make_task, kind):
    task = make_task(task_type=kind, task_status=Status.DONE, result_path="tasks/0/1/gone.json", content={})

    assert f"Result of the task &#x27;{task.pk}&#x27; not found" in page_of(admin, task)


# -- linker, gc


def test_linked_faces_are_counted_and_the_first_shown(admin, account, finished_task, make_face, sample_of):
    faces = sorted(str(make_face(external_id="Ann")) for _ in range(2))
    content = {"list_id": str(account), "objects_type": "faces"}
    task = finished_task(faces + ids(100), task_type=TaskType.LINKER, content=content)

    page = page_of(admin, task)

    assert "<strong>102</strong> faces linked" in page
    assert "Showing 42 of 102" in page
    assert sample_of(UUID(faces[0])) in page
    assert f"?lists={account}" in page


def test_a_dry_run_says_that_nothing_was_removed(admin, finished_task, make_face):
    face_id = make_face(external_id="Ann")
    task = finished_task([str(face_id)], task_type=TaskType.GC, content={"target": "faces", "dry_run": True})

    page = page_of(admin, task)

    assert "Dry run:" in page
    assert "<strong>1</strong> faces would be removed" in page
    assert f"/admin/embedded/face/{face_id}/change/" in page


def test_removed_objects_are_counted_by_the_parts_that_ended(admin, finished_task, make_subtask):
    content = {"target": "events", "store_results": False, "remove_samples": True}
    task = finished_task([], task_type=TaskType.GC, content=content, inputs={"count": 30})
    make_subtask(task, subtask_status=Status.DONE, content=[0, 10])
    make_subtask(task, subtask_status=Status.DONE, content=[10, 25])
    make_subtask(task, subtask_status=Status.FAILED, content=[25, 30])

    page = page_of(admin, task)

    assert "<strong>25</strong> events removed" in page
    assert "<strong>30</strong> were planned" in page
    assert "images of faces and bodies" in page
    assert "Which ones is not kept" in page


def test_removed_objects_that_are_listed_are_ids(admin, finished_task):
    task = finished_task(ids(30), task_type=TaskType.GC, content={"target": "faces", "store_results": True})

    page = page_of(admin, task)

    assert "Showing 20 of 30; the download has all" in page
    assert f"<code>{ids(30)[19]}</code>" in page
    assert ids(30)[20] not in page


# -- reporter, exporter


def report(tmp_path, rows, *, delimiter=",", images=0, columns=("face_id", "external_id")) -> bytes:
    """An archive as workers write it."""
    from workers.files.csv_rows import rows_as_bytes
    from workers.files.reports import Report, join, write_piece

    piece = BytesIO()
    shown = ((one, b"\xff\xd8" * 10) for one in ids(images, start=5000))
    write_piece(piece, rows_as_bytes(rows, delimiter), len(rows), shown)
    path = tmp_path / "piece"
    path.write_bytes(piece.getvalue())
    facts = {"objects_type": "faces", "columns": list(columns), "csv_delimiter": delimiter}
    archive = BytesIO()
    header = rows_as_bytes([columns], delimiter)
    join(archive, Report("task_1.csv", header, facts, [lambda: path]), lambda done, total: None)
    return archive.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_report_shows_its_first_rows_files_and_counts(
    admin, tmp_path, finished_task, make_face, sample_of, delimiter
):
    face_id = make_face()
    rows = [[str(face_id), 'Ann, "the"; first\tone'], *([one, "x"] for one in ids(49))]
    data = report(tmp_path, rows, delimiter=delimiter, images=40)
    task = finished_task(stored=data, suffix="zip", task_type=TaskType.EXPORTER, content={"objects_type": "faces"})

    page = page_of(admin, task)

    assert "<strong>50</strong> rows" in page
    assert "<strong>40</strong> images" in page
    assert "Showing 20 of 50 rows" in page
    assert "Showing 13 of 42 files" in page
    assert "Ann, &quot;the&quot;; first\tone" in page
    assert sample_of(face_id) in page
    assert "task_1.csv" in page


def test_a_report_without_rows_says_so(admin, tmp_path, finished_task):
    task = finished_task(stored=report(tmp_path, []), suffix="zip", task_type=TaskType.REPORTER, content={})

    assert "the table has its header row only" in page_of(admin, task)


def test_a_long_table_is_cut_at_a_whole_row(tmp_path, monkeypatch):
    from lunatasks.admin_site.results import archive

    monkeypatch.setattr(archive, "HEAD_BYTES", 2000)
    rows = [[one, "\n" * 90] for one in ids(500)]

    head = archive.read_head(BytesIO(report(tmp_path, rows)))

    assert head.row_count == 500
    assert 3 <= len(head.rows) <= 20
    assert all(len(row) == 2 and len(row[1]) == 90 for row in head.rows)


def test_cells_of_a_report_are_escaped(admin, tmp_path, finished_task):
    data = report(tmp_path, [[ids(1)[0], SCRIPT]], columns=("face_id", SCRIPT))
    task = finished_task(stored=data, suffix="zip", task_type=TaskType.EXPORTER, content={})

    page = page_of(admin, task)

    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


# -- cross match


def match_rows(count: int, *, candidates: int = 2) -> list[dict]:
    return [
        {
            "reference_id": one,
            "candidates": [{"candidate_id": other, "similarity": 0.987654} for other in ids(candidates, start=9000)],
        }
        for one in ids(count)
    ]


MATCH = {"filters": {"reference_type": "faces", "candidate_type": "events"}, "threshold": 0.5, "limit": 5}


def test_references_are_shown_beside_their_candidates(admin, finished_task, make_face, make_event, sample_of):
    face_id, event_id = make_face(external_id="Ann"), make_event(external_id="seen")
    rows = [{"reference_id": str(face_id), "candidates": [{"candidate_id": str(event_id), "similarity": 0.98769}]}]
    task = finished_task(rows, task_type=TaskType.CROSS_MATCH, content=MATCH)

    page = page_of(admin, task)

    assert sample_of(face_id) in page
    assert f"/admin/embedded/event/{event_id}/change/" in page
    assert "0.9876" in page
    assert "<strong>1</strong> reference with candidates" in page


def test_many_references_are_paged_and_many_candidates_cut(admin, finished_task, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK", 1000)
    task = finished_task(match_rows(45, candidates=13), task_type=TaskType.CROSS_MATCH, content=MATCH)

    first, last = page_of(admin, task), page_of(admin, task, rows="3")

    assert "<strong>45</strong> references" in first
    assert "<strong>585</strong> candidates" in first
    assert "Showing 41 to 45 of 45 references" in last
    assert "and 3 more" in last
    assert ids(45)[44] in last
    assert ids(45)[44] not in first


# -- additional extraction


def test_generations_are_counted(admin, finished_task, make_face, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK", 100)
    face_id = make_face(external_id="Ann")
    rows = [{"object_id": str(face_id), "samples": ids(1), "generation": 3}]
    rows += [{"object_id": one, "samples": ids(2), "generation": 1 + (n > 9)} for n, one in enumerate(ids(60))]
    content = {
        "extraction_target": "face_descriptor", "filters": {"objects_type": "faces"},
        "options": {"missing": False, "descriptor_version": 1001},
    }  # fmt: skip
    task = finished_task(rows, task_type=TaskType.ADDITIONAL_EXTRACT, content=content)

    page = page_of(admin, task)

    assert "<strong>61</strong> faces extracted" in page
    for generation, count in ((1, 10), (2, 50), (3, 1)):
        assert f"<strong>{count}</strong> now of generation {generation}" in page
    assert "face descriptor, version 1001" in page
    assert "Showing 42 of 61" in page
    assert "Ann" in page


# -- estimator


def estimate(filename: str, *events, error=None) -> dict:
    answers = [{"event_id": str(one), "detections": [{"filename": filename}]} for one in events]
    return {"filename": filename, "status": int(error is None), "error": error, "events": answers}


def test_images_are_shown_with_status_and_events_and_errors_in_groups(admin, finished_task, make_event):
    event_id, unstored = make_event(external_id="Ann"), uuid4()
    error = {"error_code": 28110, "desc": "Bad image", "detail": "It cannot be decoded", "link": "x"}
    rows = [estimate("a.jpg", event_id, unstored), estimate("b.jpg"), estimate("c.jpg", error=error)]
    task = finished_task([*rows, estimate("d.jpg", error=error)], task_type=TaskType.ESTIMATOR, content={})

    page = page_of(admin, task)

    for text in (
        "<strong>4</strong> images", "<strong>2</strong> events", "<strong>1</strong> without a face",
        "<strong>2</strong> failed", "Bad image", "It cannot be decoded", "error_code=28110", "a.jpg", "not stored",
        f"/admin/embedded/event/{event_id}/change/", "no face found",
    ):  # fmt: skip
        assert text in page


def test_many_images_are_paged(admin, finished_task):
    rows = [estimate(f"photo-{n:03}.jpg") for n in range(60)]
    task = finished_task(rows, task_type=TaskType.ESTIMATOR, content={})

    page = page_of(admin, task, rows="3")

    assert "Showing 51 to 60 of 60 images" in page
    assert "photo-059.jpg" in page
    assert "photo-049.jpg" not in page


def test_of_a_very_large_result_the_beginning_is_counted_and_the_page_says_so(admin, finished_task, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK", 200)
    monkeypatch.setattr(reading, "MOST_PARSED", 1000)
    task = finished_task([estimate(f"{n}.jpg") for n in range(500)], task_type=TaskType.ESTIMATOR, content={})

    page = page_of(admin, task)

    assert "these numbers are those of its beginning" in page
    assert "<strong>500</strong>" not in page


def test_names_of_images_are_escaped(admin, finished_task):
    error = {"error_code": 28110, "desc": SCRIPT, "detail": SCRIPT, "link": "x"}
    task = finished_task([estimate(SCRIPT, error=error)], task_type=TaskType.ESTIMATOR, content={})

    page = page_of(admin, task)

    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


# -- ROC


def roc_result(*, nonmated: int = 100, empty: bool = False) -> dict:
    edges = np.linspace(0, 1, 257).tolist()
    cosines = np.linspace(-1, 1, 257).tolist()
    histogram = {"edges": edges, "cosines": cosines, "counts": [0] * 200 + [4, 6] + [0] * 54}
    point = {"FPR": 0.01, "realised_FPR": 0.01, "TPR": 0.9, "FNMR": 0.1, "interval": [0.05, 0.2], "threshold": 0.61239}
    unknown = dict.fromkeys(("realised_FPR", "TPR", "FNMR", "interval", "threshold"))
    return {
        "counts": {"people": 5, "objects": 15, "mated": 0 if empty else 10, "nonmated": nonmated, "excluded": 2},
        "roc": None if empty else {"FPR": [0, 0.01, 1], "TPR": [0, 0.9, 1], "thresholds": [1, 0.6, 0]},
        "AUC": None if empty else 0.98765,
        "EER": None if empty else {"rate": 0.05, "low": 0.04, "high": 0.06, "threshold": 0.55},
        "key_points": [{"FPR": 1e-6, **unknown, "supported": False}]
        if empty
        else [{**point, "supported": True}, {**point, "FPR": 1e-6, "interval": None, "supported": False}],
        "top_hits": [{"N": n, "probability": None if empty else 0.5} for n in range(1, 31)],
        "scores": {"mated": histogram, "nonmated": histogram},
        "method": {"pairs": "all pairs", "people_with_one_image": {"count": 1, "labels": [3]}, "duplicates": 2},
    }


def test_a_roc_is_drawn_with_its_numbers_beside_it(admin, finished_task):
    task = finished_task(roc_result(), task_type=TaskType.ROC, content={"threshold_hit_top": 0.3})

    page = page_of(admin, task)

    for text in (
        "0.987650", "0.05000", "between 0.04000 and 0.06000", "<svg", "plot-curve", "plot-mated", "0.0500 to 0.2000",
        "not known", "0.6123", "Too few non-mated pairs for FPR 1e-06", "too few pairs", "Showing 20 of 30",
        "1 person has one image only", "2 entries were given twice", "all pairs", "excluded",
    ):  # fmt: skip
        assert text in page
    assert "nan" not in page.lower().split("<svg")[1].split("</svg>")[0]


def test_a_roc_of_nothing_says_why_there_is_no_curve(admin, finished_task):
    task = finished_task(roc_result(empty=True), task_type=TaskType.ROC, content={})

    page = page_of(admin, task)

    assert "no two objects show the same person" in page
    assert "plot-curve" not in page


@pytest.mark.parametrize("nonmated", [1, 9, 10, 10**6, 10**13])
def test_a_curve_stays_inside_its_frame(nonmated):
    from lunatasks.admin_site.results.roc_plot import curve_plot

    plot = curve_plot([0, 1e-12, 1e-3, 1], [0, 0.2, 0.7, 1], nonmated=nonmated, points=[(0, 0.5, False, "x")])

    frame = plot.frame
    for _, path in plot.paths:
        for point in path[1:].split("L"):
            x, y = map(float, point.split())
            assert frame["left"] <= x <= frame["right"]
            assert frame["top"] <= y <= frame["bottom"]


def test_a_curve_of_many_points_is_drawn_with_few(monkeypatch):
    from lunatasks.admin_site.results.roc_plot import curve_plot

    rates = np.linspace(0, 1, 10_000).tolist()

    plot = curve_plot(rates, rates, nonmated=10**9, points=[])

    assert max(len(path) for _, path in plot.paths) < 20_000


# -- rights and cost


def test_who_may_not_see_the_objects_sees_numbers_only(only_tasks, tmp_path, account, finished_task, make_face):
    face_id = str(make_face(external_id="Ann"))
    match = {"reference_id": face_id, "candidates": [{"candidate_id": face_id, "similarity": 0.9}]}
    extracted = {"object_id": face_id, "samples": [], "generation": 1}
    faces = {"reference_type": "faces", "candidate_type": "faces", "objects_type": "faces"}
    tasks = [
        finished_task([face_id], task_type=TaskType.LINKER, content={"list_id": str(account)}),
        finished_task([face_id], task_type=TaskType.GC, content={"target": "faces", "dry_run": True}),
        finished_task([match], task_type=TaskType.CROSS_MATCH, content={"filters": faces}),
        finished_task([extracted], task_type=TaskType.ADDITIONAL_EXTRACT, content={"filters": faces}),
        finished_task([estimate("Ann.jpg", UUID(face_id))], task_type=TaskType.ESTIMATOR, content={}),
        finished_task(
            stored=report(tmp_path, [[face_id, "Ann"]]), suffix="zip", task_type=TaskType.EXPORTER, content={}
        ),
    ]

    for task in tasks:
        page = page_of(only_tasks, task)
        assert "the numbers are all there is to show" in page
        assert face_id not in page
        assert "Ann" not in page


def test_objects_of_another_account_are_never_shown(admin, other_account, finished_task, make_face):
    task = finished_task(
        [str(make_face(external_id="Ann"))], task_type=TaskType.LINKER, account_id=other_account,
        content={"list_id": str(other_account)},
    )  # fmt: skip

    assert "Ann" not in page_of(admin, task)


@pytest.mark.parametrize("count", [1, 15])
def test_the_queries_of_a_page_do_not_grow_with_the_result(
    admin, finished_task, make_face, make_event, django_assert_num_queries, count
):
    faces, events = [str(make_face()) for _ in range(count)], [make_event() for _ in range(count)]
    linked = finished_task(sorted(faces), task_type=TaskType.LINKER, content={})
    estimated = finished_task([estimate("x.jpg", one) for one in events], task_type=TaskType.ESTIMATOR, content={})

    with django_assert_num_queries(9):
        page_of(admin, linked)
    with django_assert_num_queries(9):
        page_of(admin, estimated)


def test_clusters_of_events_are_shown(admin, finished_task, make_event, images_of_event):
    event_id = make_event(external_id="seen")
    task = finished_task([[str(event_id)]], content={"objects_type": "events"})

    page = page_of(admin, task)
    cluster = admin.get(f"/admin/tasks_app/task/{task.pk}/cluster/1/").content.decode()

    for shown in (page, cluster):
        assert images_of_event(event_id)["face"] in shown
        assert "1 event" in shown


def test_removed_faces_leave_their_place_in_a_result(admin, account, finished_task, make_face):
    face_id = make_face()
    task = finished_task([str(face_id)], task_type=TaskType.LINKER, content={})
    registry.faces().delete_faces(account, [face_id])

    assert "deleted since" in page_of(admin, task)

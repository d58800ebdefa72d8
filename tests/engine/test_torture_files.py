"""Which files of a stack are found not to be whole, not what their row says, or nobody's."""

import hashlib
import json

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from tasks_app.states import TERMINAL, Status, Step
from workers.files.reports import write_piece
from workers.torture import files
from workers.torture.files import Named, is_whole


def named(path, data):
    return Named(path, len(data), hashlib.sha256(data).hexdigest())


def test_half_a_file_is_told_from_a_whole_one(tmp_path):
    array, text, empty, rows, piece = (tmp_path / name for name in ("a.npy", "a.json", "e.npy", "r.jsonl", "p.piece"))
    np.save(array, np.arange(100))
    text.write_bytes(b'[["a"],["b"]]')
    rows.write_bytes(b'{"a":1}\n{"b":2}\n')
    empty.touch()
    with piece.open("wb") as stream:
        write_piece(stream, b"a,b\r\n" * 50, 50, [("x", b"a picture"), ("y", b"another")])

    for path in (array, text, rows, piece, tmp_path / "gone.npy"):
        assert is_whole(path), path
    assert not is_whole(empty)
    for path in (array, text, rows, piece):
        data = path.read_bytes()
        for length in (len(data) - 3, 1):
            path.write_bytes(data[:length])
            assert not is_whole(path), path
    assert sorted(files.half_written(tmp_path)) == ["a.json", "a.npy", "e.npy", "p.piece", "r.jsonl"]


def test_a_piece_whose_rows_or_pictures_are_cut_out_is_not_whole(tmp_path):
    piece = tmp_path / "p.piece"
    with piece.open("wb") as stream:
        write_piece(stream, b"a,b\r\n" * 50, 50, [("x", b"a picture")])
    data = piece.read_bytes()

    for changed in (data[:2] + data[3:], data.replace(b"a picture", b"a pict")):
        piece.write_bytes(changed)
        assert not is_whole(piece)


def test_a_file_is_as_its_row_says_or_it_is_found(tmp_path):
    (tmp_path / "right").write_bytes(b"abc")
    (tmp_path / "other").write_bytes(b"abd")
    (tmp_path / "short").write_bytes(b"ab")

    rows = [named(name, b"abc") for name in ("right", "other", "short", "gone")]

    assert files.unlike_their_rows(tmp_path, rows) == ["other", "short", "gone"]


@pytest.mark.django_db
def test_rows_name_results_kept_parts_and_kept_inputs(make_task, make_subtask):
    result = {"result_path": "r", "result_size": 1, "result_sha256": "s"}
    ended = {"end_time": timezone.now()}
    done = make_task(task_status=Status.DONE, result_id="0" * 32, **result, **ended)
    make_subtask(done, subtask_status=Status.DONE, **(result | {"result_path": "removed"}), **ended)
    failed = make_task(task_status=Status.FAILED, inputs={"ids": named("i", b"")._asdict(), "count": 3}, **ended)
    make_subtask(failed, subtask_status=Status.DONE, **(result | {"result_path": "kept"}), **ended)
    restarting = make_task(task_status=Status.CANCELLED, step=Step.RESTART, inputs=failed.inputs, **ended)
    make_subtask(restarting, subtask_status=Status.DONE, **(result | {"result_path": "gone"}), **ended)

    def rows(sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(json.dumps(value) if isinstance(value, dict) else value for value in row) for row in cursor]

    found = files.named_files(rows, done=Status.DONE, ended=tuple(int(status) for status in TERMINAL))

    assert sorted(one.path for one in found) == ["i", "kept", "r"]


def test_files_of_tasks_that_are_gone_and_of_parts_of_done_tasks_are_nobodys(tmp_path):
    for path in ("tasks/1/1/r.json", "tasks/1/1/0-0-1.npy", "tasks/2/1/0-0-1.npy", "tasks/3/1/0-0-1.npy"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "tasks/4").mkdir()

    found = files.nobodys(tmp_path, {1: "tasks/1/1/r.json"}, {1, 3})

    assert sorted(found) == ["tasks/1/1/0-0-1.npy", "tasks/2/1/0-0-1.npy"]


def test_what_a_killed_worker_left_half_way_is_found(tmp_path):
    (tmp_path / "tmp").mkdir()
    for name in ("artefact-1", "other"):
        (tmp_path / "tmp" / name).touch()

    assert files.temporary(tmp_path) == ["tmp/artefact-1"]

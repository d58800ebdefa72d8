"""The files of a stack: which of them are not whole, not what their row says, or nobody's."""

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from numpy.lib import format as npy

from tasks_app.states import Step

Rows = Callable[[str], Iterable[Any]]
TEMPORARY = "artefact-*"


class Named(NamedTuple):
    """What a row says of its file."""

    path: str
    size: int
    sha256: str


def half_written(results: Path) -> list[str]:
    """Files of tasks that bear their final name and are not whole."""
    return [str(path.relative_to(results)) for path in results.rglob("*") if not is_whole(path)]


def unlike_their_rows(results: Path, rows: Iterable[Named]) -> list[str]:
    """Files that are missing, or have another size or digest than the row that names them says."""
    return [named.path for named in rows if not _is_as_named(results / named.path, named)]


def _is_as_named(path: Path, named: Named) -> bool:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return False
    return len(data) == named.size and hashlib.sha256(data).hexdigest() == named.sha256


def named_files(rows: Rows, *, done: int, ended: tuple[int, ...]) -> Iterator[Named]:
    """What rows name: the results of tasks that are done; of others that have ended, what they keep for a rerun.

    A task whose restart was cancelled keeps nothing: its files went with the end before.
    """
    others = ", ".join(str(status) for status in ended if status != done)
    keeps = f"task_status IN ({others}) AND step <> {Step.RESTART:d}"
    kept = f"SELECT id FROM tasks_app_task WHERE {keeps}"  # noqa: S608  our own numbers
    for table, where in (
        ("tasks_app_task", f"task_status = {done}"),
        ("tasks_app_subtask", f"subtask_status = {done} AND result_path <> '' AND task_id IN ({kept})"),
    ):
        sql = f"SELECT result_path, result_size, result_sha256 FROM {table} WHERE {where}"  # noqa: S608
        yield from (Named(*row) for row in rows(sql))
    for (inputs,) in rows(f"SELECT inputs FROM tasks_app_task WHERE {keeps}"):  # noqa: S608
        values = orjson.loads(inputs) if isinstance(inputs, str) else inputs
        yield from (Named(**value) for value in values.values() if isinstance(value, dict) and "path" in value)


def nobodys(results: Path, result_paths: dict[int, str], task_ids: set[int]) -> list[str]:
    """Files of tasks that are gone, and files beside the result of a done task. `result_paths`: of done tasks."""
    found = []
    for folder in (results / "tasks").glob("*"):
        task_id = int(folder.name)
        paths = [str(path.relative_to(results)) for path in folder.rglob("*") if path.is_file()]
        if task_id not in task_ids:
            found += paths
        elif task_id in result_paths:
            found += [path for path in paths if path != result_paths[task_id]]
    return found


def temporary(home: Path) -> list[str]:
    """Files that killed workers have left half-way."""
    return [str(path.relative_to(home)) for path in (home / "tmp").glob(TEMPORARY)]


# -- whole files -------------------------------------------------------------------------------------


def is_whole(path: Path) -> bool:
    """Whether a file ends where its own format says; one that was removed meanwhile is, and one of no known format."""
    judge = JUDGES.get(path.suffix)
    try:
        return judge is None or judge(path)
    except FileNotFoundError:
        return True
    except (ValueError, struct.error, zipfile.BadZipFile, zlib.error):
        return False


def _is_json(path: Path) -> bool:
    orjson.loads(path.read_bytes())
    return True


def _is_json_lines(path: Path) -> bool:
    with path.open("rb") as stream:
        return all(line.endswith(b"\n") and orjson.loads(line) for line in stream)


def _is_zip(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return archive.testzip() is None


def _is_array(path: Path) -> bool:
    with path.open("rb") as stream:
        if npy.read_magic(stream) != (1, 0):
            return False
        shape, _, dtype = npy.read_array_header_1_0(stream)
        count = 1
        for size in shape:
            count *= size
        return path.stat().st_size == stream.tell() + count * dtype.itemsize


def _is_piece(path: Path) -> bool:
    """A part of a report: packed rows, images, a line about each image, a footer of six numbers."""
    data = path.read_bytes()
    packed, size, crc, _, images, index = PIECE_FOOTER.unpack(data[-PIECE_FOOTER.size :])
    text = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[:packed])
    lines = data[len(data) - PIECE_FOOTER.size - index : -PIECE_FOOTER.size].splitlines()
    lengths = [orjson.loads(line)[1] for line in lines]
    whole = packed + sum(lengths) + index + PIECE_FOOTER.size
    return (len(text), zlib.crc32(text), len(lines), whole) == (size, crc, images, len(data))


PIECE_FOOTER = struct.Struct("<6Q")
JUDGES: dict[str, Callable[[Path], bool]] = {
    ".json": _is_json,
    ".jsonl": _is_json_lines,
    ".zip": _is_zip,
    ".npy": _is_array,
    ".piece": _is_piece,
}

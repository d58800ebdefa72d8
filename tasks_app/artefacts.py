"""Where the files of tasks lie, and their removal.

`tasks/<id>/<run>/<phase>-<part>-<attempt>...`: a name is used by one claim only, so that nothing is ever
overwritten; a file is visible when a row names it.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from django.core.files.storage import Storage, storages

from tasks_app.models import Task

ROOT = "tasks"


def storage() -> Storage:
    """The storage of results and parts."""
    return storages["results"]


def folder_of_task(task_id: int) -> str:
    return f"{ROOT}/{task_id}"


def delete_of_task(task_id: int) -> int:
    """Remove all files of a task that is gone; how many there were."""
    return _delete(walk(folder_of_task(task_id)), task_id)


def delete_of_parts(task: Task) -> int:
    """Remove the files of a done task but its result, as the row was read; how many there were.

    A rerun may have begun since then: the files of later runs are not touched.
    """
    begun = {f"{folder_of_task(task.pk)}/{run}" for run in range(1, task.run + 1)}
    paths = (path for path in walk(folder_of_task(task.pk)) if path.rpartition("/")[0] in begun)
    return _delete((path for path in paths if path != task.result_path), task.pk)


def _delete(paths: Iterable[str], task_id: int) -> int:
    removed = list(paths)
    for path in removed:
        storage().delete(path)
    _delete_empty_folders(folder_of_task(task_id))
    return len(removed)


def walk(folder: str) -> Iterator[str]:
    """Paths of all files below a folder; none when it does not exist."""
    try:
        folders, files = storage().listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        yield f"{folder}/{name}"
    for name in folders:
        yield from walk(f"{folder}/{name}")


def is_named(task_id: int, path: str) -> bool:
    """Whether a committed row of the task names the file."""
    task = Task.without_content.filter(pk=task_id).first()
    if task is None:
        return False
    inputs = (value.get("path") for value in task.inputs.values() if isinstance(value, dict))
    return path in {task.result_path, *inputs} or task.subtasks.filter(result_path=path).exists()


def task_ids_with_files() -> list[int]:
    """Ids of the tasks that have a folder."""
    try:
        folders, _ = storage().listdir(ROOT)
    except FileNotFoundError:
        return []
    return sorted(int(name) for name in folders if name.isdigit())


def _delete_empty_folders(folder: str) -> None:
    try:
        folders, _ = storage().listdir(folder)
    except FileNotFoundError:
        return
    for name in folders:
        _delete_empty_folders(f"{folder}/{name}")
    with suppress(OSError):  # a worker may be writing its next file into it
        storage().delete(folder)

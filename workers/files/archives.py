"""Zip archives of strangers: every entry is looked at before a byte is unpacked, and nothing is ever unpacked to disk.

What is wrong with the whole archive raises ArchiveRefused; what is wrong with one entry is told with the entry.
"""

import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

import pyzipper
from django.conf import settings

from lunatasks.errors import ArchiveRefused
from lunatasks.luna_services.embedded.images import MAX_BYTES
from workers.files.archives_directory import check_directory

MEBIBYTE = 2**20
RATIO_FREE = MEBIBYTE
"""Entries up to this size may have any ratio: nothing is gained by refusing a small white picture."""
PASSWORD_TRIES = 3

_ENCRYPTED, _STRONGLY = 0x1, 0x40
_METHODS = (pyzipper.ZIP_STORED, pyzipper.ZIP_DEFLATED)
_DAMAGES = (
    pyzipper.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    RuntimeError,  # NotImplementedError, and what the library says of a wrong password
    AttributeError,
    TypeError,
)


class EntryRefused(Exception):
    """An entry cannot be read; the text says why, without its name."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes that all entries and one entry may unpack to, number of entries, unpacked : packed size of an entry."""

    unpacked: int
    entry: int
    entries: int
    ratio: int


@dataclass(frozen=True, slots=True)
class Entry:
    """An image of an archive or folder. `number`: of the archive's directory; `problem`: why it cannot be read."""

    name: str
    number: int | None = None
    problem: str = ""


def limits_of_settings() -> Limits:
    """What this installation allows."""
    return Limits(
        unpacked=settings.LUNATASKS_ARCHIVE_UNPACKED_MB * MEBIBYTE,
        entry=MAX_BYTES,
        entries=settings.LUNATASKS_ARCHIVE_ENTRIES,
        ratio=settings.LUNATASKS_ARCHIVE_RATIO,
    )


class Archive:
    """An open zip. Encrypted entries (ZipCrypto or AES) need the password."""

    def __init__(self, path: Path, *, password: str | int | None, limits: Limits) -> None:
        """Raises ArchiveRefused."""
        self._limits = limits
        self._password = None if password is None else str(password).encode()
        # the library reads a directory of any size into memory
        check_directory(path, most=limits.entries)
        try:
            self._zip = pyzipper.AESZipFile(path)
        except _DAMAGES:
            raise ArchiveRefused("its directory is damaged") from None
        self._infos = self._zip.infolist()
        self._check_sizes()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        self._zip.close()

    def entries(self, *, prefix: str = "", postfix: str = "", recursive: bool = True) -> Iterator[Entry]:
        """The files among the entries, in the order of the directory, as the source asks for them."""
        seen: set[str] = set()
        for number, info in enumerate(self._infos):
            name = info.filename
            if not is_wanted(name, prefix=prefix, postfix=postfix, recursive=recursive) or _is_folder(info):
                continue
            problem = "the name stands in the archive twice" if name in seen else self._problem(info)
            seen.add(name)
            yield Entry(_text(name), number, problem)

    def check_password(self) -> None:
        """Try the password on the smallest encrypted entries. Raises ArchiveRefused when it opens none of them."""
        locked = [info for info in self._infos if info.flag_bits & _ENCRYPTED and not _is_folder(info)]
        sound = [info for info in locked if not self._problem(info)]
        if locked and self._password is None:
            raise ArchiveRefused("it is encrypted, and no password was given")
        tried = sorted(sound, key=lambda info: info.file_size)[:PASSWORD_TRIES]
        if tried and not any(self._opens(info) for info in tried):
            raise ArchiveRefused("the password does not fit")

    def read(self, number: int) -> bytes:
        """The bytes of an entry, its checksum verified. Raises EntryRefused."""
        info = self._infos[number]
        if problem := self._problem(info):
            raise EntryRefused(problem)
        try:
            with self._zip.open(info, pwd=self._password) as stream:
                # not one byte more than it claims: the library unpacks as much as is asked for
                data = stream.read(info.file_size + 1)
        except _DAMAGES as error:
            # the library's texts quote names
            raise EntryRefused(f"the entry is damaged, or its password another one ({type(error).__name__})") from None
        if len(data) != info.file_size:
            raise EntryRefused("the entry is damaged: its size is not what the directory says")
        return bytes(data)

    def _opens(self, info: pyzipper.ZipInfo) -> bool:
        try:
            self.read(self._infos.index(info))
        except EntryRefused:
            return False
        return True

    def _check_sizes(self) -> None:
        if sum(info.file_size for info in self._infos) > self._limits.unpacked:
            raise ArchiveRefused(f"it would unpack to more than {self._limits.unpacked} bytes")
        border = 0
        for info in sorted(self._infos, key=lambda info: info.header_offset):
            # entries that share their bytes unpack to any size (D. Fifield, A better zip bomb, 2019)
            if info.header_offset < border:
                raise ArchiveRefused("its entries overlap")
            border = info.header_offset + 30 + info.compress_size
        if border > self._zip.start_dir:
            raise ArchiveRefused("its entries overlap")

    def _problem(self, info: pyzipper.ZipInfo) -> str:
        limits = self._limits
        return (
            name_problem(info.filename)
            or _kind_problem(info)
            or (f"larger than {limits.entry} bytes" if info.file_size > limits.entry else "")
            or (f"unpacks to more than {limits.ratio} times its size" if _is_bomb(info, limits.ratio) else "")
            or ("encrypted, and no password was given" if self._lacks_password(info) else "")
        )

    def _lacks_password(self, info: pyzipper.ZipInfo) -> bool:
        return bool(info.flag_bits & _ENCRYPTED) and self._password is None


def is_wanted(name: str, *, prefix: str, postfix: str, recursive: bool) -> bool:
    """Whether a source asks for a file of that name: hidden ones never, others by prefix and postfix.

    Without `recursive` it must lie in the folder that the prefix names, not deeper.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if any(_is_hidden(part) for part in path.parts):
        return False
    if not name.startswith(prefix) or not name.endswith(postfix):
        return False
    return recursive or "/" not in name[prefix.rfind("/") + 1 :]


def name_problem(name: str) -> str:
    """Why a name is one that no archive should have; empty for the others."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or name[1:2] == ":":
        return "the name is absolute"
    if ".." in path.parts:
        return "the name leads out of the archive"
    return ""


def _is_hidden(part: str) -> bool:
    return (part.startswith(".") and part != "..") or part in ("__MACOSX", "Thumbs.db", "desktop.ini")


def _is_folder(info: pyzipper.ZipInfo) -> bool:
    return bool(info.filename.endswith("/"))


def _kind_problem(info: pyzipper.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "not a regular file"
    if info.flag_bits & _STRONGLY:
        return "encrypted in a way that is not read here"
    if info.compress_type not in _METHODS:
        return f"packed by method {info.compress_type}, which is not read here"
    return ""


def _is_bomb(info: pyzipper.ZipInfo, ratio: int) -> bool:
    return bool(info.file_size > max(RATIO_FREE, ratio * info.compress_size))


def _text(name: str) -> str:
    # names may hold lone surrogates, which are no JSON
    return name.encode("utf-8", "replace").decode()

"""Files and folders of an account under the import roots: nothing outside of them, whatever links say."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from django.conf import settings

from lunatasks.errors import SourceRefused
from lunatasks.luna_services.embedded.images import MAX_BYTES
from workers.files.archives import Entry, EntryRefused, is_wanted

UNKNOWN = "there is no such file or folder of this account under the import roots"


def account_folders(account_id: UUID) -> list[Path]:
    """`<import root>/<account_id>` of every root, links of the root resolved; they need not exist."""
    return [Path(os.path.realpath(root)) / str(account_id) for root in settings.LUNATASKS_IMPORT_ROOTS]


def resolve(account_id: UUID, reference: str) -> tuple[Path, Path]:
    """(path, its account folder) of a reference: absolute, or relative to an account folder.

    Raises SourceRefused, in the same words for what is absent and for what is not allowed.
    """
    for folder in account_folders(account_id):
        try:
            path = Path(os.path.realpath(folder / reference, strict=True))
        except (OSError, ValueError):
            continue
        if path == folder or folder in path.parents:
            return path, folder
    raise SourceRefused(UNKNOWN)


def open_inside(path: Path, folder: Path) -> BinaryIO:
    """A regular file under the folder. Raises EntryRefused.

    The check is of the file that was opened: a link may be changed between looking and opening.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise EntryRefused(_reason(error)) from None
    stream = os.fdopen(handle, "rb")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        stream.close()
        raise EntryRefused("not a regular file")
    if folder not in _place_of(handle, path).parents:
        stream.close()
        raise EntryRefused("the link leads out of the account's folder")
    return stream


def read_image(path: Path, folder: Path) -> bytes:
    """The bytes of a file. Raises EntryRefused."""
    with open_inside(path, folder) as stream:
        try:
            data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise EntryRefused(_reason(error)) from None
    if len(data) > MAX_BYTES:
        raise EntryRefused(f"larger than {MAX_BYTES} bytes")
    return data


class Listing:
    """The files under a folder of an account that a source asks for, by name."""

    def __init__(
        self,
        root: Path,
        folder: Path,
        *,
        prefix: str = "",
        postfix: str = "",
        recursive: bool = False,
        follow_links: bool = False,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`root` lies in the account's `folder`. `check` is called for every folder."""
        self._root, self._folder = root, folder
        self._prefix, self._postfix = prefix, postfix
        self._recursive, self._follow_links = recursive, follow_links
        self._check = check
        self._walked: set[tuple[int, int]] = set()

    def entries(self) -> Iterator[Entry]:
        """All of them. Raises SourceRefused when the folder itself cannot be read, or holds too many files."""
        if not self._root.is_dir():
            raise SourceRefused("it is no folder")
        most = settings.LUNATASKS_ARCHIVE_ENTRIES
        for count, entry in enumerate(self._walk("")):
            if count >= most:
                raise SourceRefused(f"it holds more than {most} files")
            yield entry

    def _walk(self, below: str) -> Iterator[Entry]:
        waiting = [below]
        while waiting:
            at = waiting.pop()
            self._check()
            try:
                found = sorted(os.scandir(self._root / at), key=lambda item: item.name)
            except OSError as error:
                if not at:
                    raise SourceRefused(_reason(error)) from None
                yield _entry(at, problem=_reason(error))
                continue
            folders = []
            for item in found:
                name = f"{at}{item.name}"
                if self._is_folder(item):
                    if self._may_enter(item, name):
                        folders.append(f"{name}/")
                elif self._is_image(item, name):
                    yield _entry(name)
            waiting += reversed(folders)

    def _is_folder(self, item: "os.DirEntry[str]") -> bool:
        try:
            return item.is_dir(follow_symlinks=self._follow_links)
        except OSError:
            return False

    def _may_enter(self, item: "os.DirEntry[str]", name: str) -> bool:
        if item.name.startswith(".") or not (self._recursive or self._prefix.startswith(f"{name}/")):
            return False
        place = Path(os.path.realpath(item.path))
        if self._folder not in place.parents:
            return False
        about = place.stat()
        key = (about.st_dev, about.st_ino)
        if key in self._walked:  # links make circles
            return False
        self._walked.add(key)
        return True

    def _is_image(self, item: "os.DirEntry[str]", name: str) -> bool:
        if item.is_symlink() and not self._follow_links:
            return False
        return is_wanted(name, prefix=self._prefix, postfix=self._postfix, recursive=self._recursive)


def _place_of(handle: int, path: Path) -> Path:
    try:
        return Path(f"/proc/self/fd/{handle}").readlink()
    except OSError:  # a system without /proc: as good as a check before opening
        return Path(os.path.realpath(path))


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "cannot be read"


def _entry(name: str, problem: str = "") -> Entry:
    # names of files are bytes: those that are no UTF-8 come as lone surrogates, which are no JSON
    text = os.fsencode(name).decode("utf-8", "replace")
    return Entry(text, problem=problem or ("" if text == name else "the name is no UTF-8"))

"""The end records and the central directory of a zip, checked before a library is let at them (APPNOTE 4.3)."""

import struct
from pathlib import Path
from typing import BinaryIO

from lunatasks.errors import ArchiveRefused

_END, _END64, _LOCATOR = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s24x3H12x")
_LONGEST_COMMENT = 2**16
_RECORD_BYTES = 1024
"""Room in the directory for an average entry; a directory with more than that for each is a way to eat memory."""
_BLOCK = 2**20


def check_directory(path: Path, *, most: int) -> None:
    """Raises ArchiveRefused for what has no whole directory, or one of more than `most` entries."""
    try:
        with path.open("rb") as stream:
            start, size = _place(stream)
            if size > most * _RECORD_BYTES:
                raise ArchiveRefused(f"its directory is larger than that of {most} entries")
            stream.seek(start)
            _count(stream, size, most)
    except (OSError, struct.error, OverflowError):
        raise ArchiveRefused("it is no zip, or its end is missing") from None


def _place(stream: BinaryIO) -> tuple[int, int]:
    """Where the directory starts, in the file, and its bytes."""
    length = stream.seek(0, 2)
    tail_start = max(0, length - _END.size - _LONGEST_COMMENT)
    stream.seek(tail_start)
    tail = stream.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise ArchiveRefused("it is no zip, or its end is missing")
    _, disk, _, _, count, size, offset, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    if 0xFFFFFFFF in (size, offset) or count == 0xFFFF:
        size, end = _place64(stream, end, size)
    elif disk:
        raise ArchiveRefused("it has several volumes")
    if size > end:
        raise ArchiveRefused("its directory is damaged")
    return end - size, size


def _place64(stream: BinaryIO, end: int, size: int) -> tuple[int, int]:
    """Size of the directory and where it ends, by the records of large archives when they are there."""
    if end < _LOCATOR.size + _END64.size:
        return size, end
    stream.seek(end - _LOCATOR.size)
    if _LOCATOR.unpack(stream.read(_LOCATOR.size))[0] != b"PK\6\7":
        return size, end
    record = end - _LOCATOR.size - _END64.size
    stream.seek(record)
    signature, *_, size64, _ = _END64.unpack(stream.read(_END64.size))
    if signature != b"PK\6\6":
        raise ArchiveRefused("its directory is damaged")
    return size64, record


def _count(stream: BinaryIO, size: int, most: int) -> None:
    data, at, count = stream.read(size), 0, 0
    if len(data) != size:
        raise ArchiveRefused("it is cut off")
    while at < size:
        if size - at < _CENTRAL.size:
            raise ArchiveRefused("its directory is damaged")
        signature, name, extra, comment = _CENTRAL.unpack_from(data, at)
        if signature != b"PK\1\2":
            raise ArchiveRefused("its directory is damaged")
        at += _CENTRAL.size + name + extra + comment
        count += 1
        if count > most:
            raise ArchiveRefused(f"it has more than {most} entries")

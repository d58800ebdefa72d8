"""Zip archives written in one pass: any size and number of entries in constant memory, the same bytes every time.

Entries come with their sizes known and their data packed already, so that nothing is packed twice. Every record
has the date 1980-01-01; Zip64 fields appear where a number needs them (APPNOTE 6.3.10, 4.3 and 4.5.3).
"""

import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Protocol

STORED, DEFLATED = 0, 8
LAST_BLOCK = b"\x03\x00"
"""The empty last block of a deflate stream: pieces that end on a byte become one stream by it."""
LEVEL = 6
COPY_BYTES = 2**20

_LOCAL, _CENTRAL = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L")
_END64, _LOCATOR64, _END = struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL"), struct.Struct("<4s4H2LH")
_IN_EXTRA_32, _IN_EXTRA_16 = 0xFFFFFFFF, 0xFFFF
"""Instead of a number that stands in a Zip64 field, as every number from `_WIDE_32` or `_WIDE_16` on does."""
_WIDE_32, _WIDE_16 = _IN_EXTRA_32, _IN_EXTRA_16
_DATE, _TIME = 0x21, 0
_UTF8 = 0x800
_VERSION, _VERSION64 = 20, 45
_UNIX = 3 << 8
_FILE_MODE = 0o100644 << 16


class Sink(Protocol):
    """Where the archive goes."""

    def write(self, data: bytes | memoryview, /) -> int:
        """All of the data."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the archive as its records describe it; `packed` bytes of data follow."""

    name: str
    size: int
    packed: int
    crc: int
    method: int


class ZipWriter:
    """Writes entries as they come; the directory waits in a temporary file."""

    def __init__(self, sink: Sink, directory: IO[bytes]) -> None:
        self._sink, self._directory = sink, directory
        self._at, self._count = 0, 0

    def add(self, entry: Entry, data: Iterable[bytes]) -> None:
        """An entry with its packed data. Raises ValueError when that has another size."""
        offset = self._at
        self._write(_local_record(entry))
        start = self._at
        for block in data:
            self._write(block)
        if self._at - start != entry.packed:
            raise ValueError("an entry's data has not the size that was said")
        self._directory.write(_central_record(entry, offset))
        self._count += 1

    def close(self) -> None:
        """Write the directory and the end records."""
        start = self._at
        self._directory.seek(0)
        for block in blocks(self._directory):
            self._write(block)
        self._write(_end_records(self._count, start, self._at - start))

    def _write(self, data: bytes) -> None:
        self._sink.write(data)
        self._at += len(data)


@contextmanager
def zip_writer(sink: Sink) -> Iterator[ZipWriter]:
    """An archive that is whole when the block ends without an error."""
    with tempfile.TemporaryFile() as directory:
        writer = ZipWriter(sink, directory)
        yield writer
        writer.close()


class Deflater:
    """Packs what it is given into pieces of a deflate stream; size and CRC are of the plain bytes."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self.size, self.crc = 0, 0

    def pack(self, data: bytes) -> bytes:
        self.size += len(data)
        self.crc = zlib.crc32(data, self.crc)
        return self._packer.compress(data)

    def end_piece(self) -> bytes:
        """What is left, up to a whole byte; other pieces or LAST_BLOCK may follow."""
        return self._packer.flush(zlib.Z_FULL_FLUSH)


def blocks(stream: IO[bytes], length: int | None = None) -> Iterator[bytes]:
    """The stream's bytes from where it stands, all or so many. Raises ValueError when it ends before."""
    while length is None or length > 0:
        block = stream.read(COPY_BYTES if length is None else min(length, COPY_BYTES))
        if not block:
            if length is None:
                return
            raise ValueError("a stored file is shorter than it was")
        yield block
        length = None if length is None else length - len(block)


def _local_record(entry: Entry) -> bytes:
    name = entry.name.encode()
    wide = max(entry.size, entry.packed) >= _WIDE_32
    # here both sizes are in the extra field as soon as one is
    extra = struct.pack("<2H2Q", 1, 16, entry.size, entry.packed) if wide else b""
    packed, size = (_IN_EXTRA_32, _IN_EXTRA_32) if wide else (entry.packed, entry.size)
    version = _VERSION64 if wide else _VERSION
    fixed = (version, _UTF8, entry.method, _TIME, _DATE, entry.crc, packed, size, len(name), len(extra))
    return _LOCAL.pack(b"PK\x03\x04", *fixed) + name + extra


def _central_record(entry: Entry, offset: int) -> bytes:
    name = entry.name.encode()
    # the extra field holds those of the three that are too long, in this order
    numbers = (entry.size, entry.packed, offset)
    wide = [number for number in numbers if number >= _WIDE_32]
    extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    size, packed, at = (_short(number) for number in numbers)
    version = _VERSION64 if wide else _VERSION
    head = (_UNIX | version, version, _UTF8, entry.method, _TIME, _DATE, entry.crc, packed, size)
    return _CENTRAL.pack(b"PK\x01\x02", *head, len(name), len(extra), 0, 0, 0, _FILE_MODE, at) + name + extra


def _end_records(count: int, start: int, size: int) -> bytes:
    entries = count if count < _WIDE_16 else _IN_EXTRA_16
    short = _END.pack(b"PK\x05\x06", 0, 0, entries, entries, _short(size), _short(start), 0)
    if count < _WIDE_16 and max(size, start) < _WIDE_32:
        return short
    wide = _END64.pack(b"PK\x06\x06", 44, _UNIX | _VERSION64, _VERSION64, 0, 0, count, count, size, start)
    return wide + _LOCATOR64.pack(b"PK\x06\x07", 0, start + size, 1) + short


def _short(number: int) -> int:
    return number if number < _WIDE_32 else _IN_EXTRA_32

"""Reports in pieces: a part leaves packed rows and images in one file, the merge joins those into a zip.

A piece: packed rows, images, a JSON line about each image, a footer with the lengths. Packed rows and images are
copied into the archive as they are; rows are unpacked in passing, for nothing but their digest.
"""

import hashlib
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from workers.files.zips import (
    DEFLATED,
    LAST_BLOCK,
    STORED,
    Deflater,
    Entry,
    Sink,
    ZipWriter,
    blocks,
    zip_writer,
)

_FOOTER = struct.Struct("<6Q")


@dataclass(frozen=True, slots=True)
class Piece:
    """What the footer of a piece says: packed and plain bytes of its rows, their CRC, and how many there are."""

    packed: int
    size: int
    crc: int
    rows: int
    images: int
    index: int


def write_piece(sink: Sink, text: bytes, count: int, images: Iterable[tuple[str, bytes]]) -> None:
    """A piece of `count` rows; of images (id, bytes), in the order of the rows."""
    deflater, index, written = Deflater(), bytearray(), 0
    packed = deflater.pack(text) + deflater.end_piece()
    sink.write(packed)
    for object_id, data in images:
        sink.write(data)
        index += orjson.dumps([object_id, len(data), zlib.crc32(data), hashlib.sha256(data).hexdigest()]) + b"\n"
        written += 1
    sink.write(bytes(index))
    sink.write(_FOOTER.pack(len(packed), deflater.size, deflater.crc, count, written, len(index)))


@dataclass(frozen=True, slots=True)
class Report:
    """The archive to be: name and header row of its table, facts for the manifest, and the pieces in order."""

    table: str
    header: bytes
    facts: dict[str, Any]
    pieces: Sequence[Callable[[], Path]]


def join(sink: Sink, report: Report, progress: Callable[[int, int], None]) -> None:
    """Write the zip. Raises ValueError, zlib.error or struct.error when a piece is damaged."""
    steps = 3 * len(report.pieces)
    table = _Table(report, lambda done: progress(done, steps))
    with tempfile.TemporaryFile() as manifest, zip_writer(sink) as archive:
        archive.add(*table.entry(lambda done: progress(len(report.pieces) + done, steps)))
        facts = {"rows": table.rows, "images": table.images, **report.facts}
        listing = _Listing(manifest, facts)
        listing.add(report.table, table.size, table.digest)
        for number, path in enumerate(report.pieces):
            progress(2 * len(report.pieces) + number, steps)
            _copy_images(archive, path(), listing)
        archive.add(*listing.entry())


class _Table:
    """The csv file of all pieces, read once for its numbers and once more to be copied."""

    def __init__(self, report: Report, progress: Callable[[int], None]) -> None:
        self._report = report
        header = Deflater()
        self._head = header.pack(report.header) + header.end_piece()
        hashed = hashlib.sha256(report.header)
        self.size, self.crc, self.packed = header.size, header.crc, len(self._head) + len(LAST_BLOCK)
        self.rows = self.images = 0
        for number, path in enumerate(report.pieces):
            progress(number)
            with path().open("rb") as stream:
                piece = _footer(stream)
                for text in _unpacked(stream, piece):
                    hashed.update(text)
                    self.crc = zlib.crc32(text, self.crc)
            self.size, self.packed = self.size + piece.size, self.packed + piece.packed
            self.rows, self.images = self.rows + piece.rows, self.images + piece.images
        self.digest = hashed.hexdigest()

    def entry(self, progress: Callable[[int], None]) -> tuple[Entry, Iterator[bytes]]:
        return Entry(self._report.table, self.size, self.packed, self.crc, DEFLATED), self._data(progress)

    def _data(self, progress: Callable[[int], None]) -> Iterator[bytes]:
        yield self._head
        for number, path in enumerate(self._report.pieces):
            progress(number)
            with path().open("rb") as stream:
                piece = _footer(stream)
                stream.seek(0)
                yield from blocks(stream, piece.packed)
        yield LAST_BLOCK


class _Listing:
    """The manifest: facts, then every file with size and digest, packed while it grows."""

    def __init__(self, stream: IO[bytes], facts: dict[str, Any]) -> None:
        self._stream, self._deflater = stream, Deflater()
        self._separator = b"\n"
        self._write(orjson.dumps(facts)[:-1] + b',"files":[')

    def add(self, name: str, size: int, digest: str) -> None:
        self._write(self._separator + orjson.dumps({"name": name, "size": size, "sha256": digest}))
        self._separator = b",\n"

    def entry(self) -> tuple[Entry, Iterator[bytes]]:
        self._write(b"\n]}\n")
        self._stream.write(self._deflater.end_piece() + LAST_BLOCK)
        packed = self._stream.tell()
        self._stream.seek(0)
        entry = Entry("manifest.json", self._deflater.size, packed, self._deflater.crc, DEFLATED)
        return entry, blocks(self._stream)

    def _write(self, data: bytes) -> None:
        self._stream.write(self._deflater.pack(data))


def _footer(stream: IO[bytes]) -> Piece:
    stream.seek(-_FOOTER.size, 2)
    return Piece(*_FOOTER.unpack(stream.read(_FOOTER.size)))


def _unpacked(stream: IO[bytes], piece: Piece) -> Iterator[bytes]:
    unpacker, crc = zlib.decompressobj(-zlib.MAX_WBITS), 0
    stream.seek(0)
    for block in blocks(stream, piece.packed):
        text = unpacker.decompress(block)
        crc = zlib.crc32(text, crc)
        yield text
    if crc != piece.crc:
        raise ValueError("rows of a part are damaged")


def _copy_images(archive: ZipWriter, path: Path, listing: _Listing) -> None:
    with path.open("rb") as images, path.open("rb") as index:
        piece = _footer(index)
        index.seek(-_FOOTER.size - piece.index, 2)
        images.seek(piece.packed)
        for _ in range(piece.images):
            object_id, size, crc, digest = orjson.loads(index.readline())
            name = f"images/{object_id}.jpg"
            data = images.read(size)
            if zlib.crc32(data) != crc:
                raise ValueError("an image of a part is damaged")
            archive.add(Entry(name, size, size, crc, STORED), [data])
            listing.add(name, size, digest)

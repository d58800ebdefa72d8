"""The beginning of a report: first rows of its table and the facts of its manifest, without unpacking the rest.

A report may hold a million images, whose directory alone would fill the memory. Its table is the first entry, its
manifest the last one (`workers.files.reports`), so that both are found from the ends of the file.
"""

import csv
import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson

HEAD_BYTES = 2**18
"""Packed and plain bytes of an entry that are read."""
TAIL_BYTES = 2**16
MOST_ROWS = 20
MOST_FILES = 12
MOST_COLUMNS = 40
MOST_CHARACTERS = 120

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END, _END64, _LOCATOR64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_FULL = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class ReportHead:
    """`rows` of the table's first ones; `files`: (name, size) of the first of `file_count`."""

    row_count: int
    image_count: int
    objects_type: str
    header: list[str]
    rows: list[list[str]]
    columns_left: int
    files: list[tuple[str, int]]
    file_count: int


def read_head(stream: BinaryIO) -> ReportHead:
    """The beginning of a report. Raises ValueError for what is none."""
    try:
        at, count = _last_entry(stream)
        manifest = _entry(stream, at)
        facts, files = _manifest(manifest)
        header, rows = _table(_entry(stream, 0), str(facts["csv_delimiter"]))
    except (struct.error, zlib.error, KeyError, csv.Error) as error:
        raise ValueError("no report") from error
    return ReportHead(
        row_count=int(facts["rows"]),
        image_count=int(facts["images"]),
        objects_type=str(facts["objects_type"]),
        header=header[:MOST_COLUMNS],
        rows=[[_cut(cell) for cell in row[:MOST_COLUMNS]] for row in rows],
        columns_left=max(0, len(header) - MOST_COLUMNS),
        files=files,
        file_count=count,
    )


def _last_entry(stream: BinaryIO) -> tuple[int, int]:
    """Where the last entry begins, and how many there are."""
    size = stream.seek(0, 2)
    base = max(0, size - TAIL_BYTES)
    stream.seek(base)
    tail = stream.read()
    end = tail.rfind(b"PK\x05\x06")
    count = _END.unpack_from(tail, end)[4]
    if end >= _LOCATOR64.size and tail[end - _LOCATOR64.size :].startswith(b"PK\x06\x07"):
        wide = _LOCATOR64.unpack_from(tail, end - _LOCATOR64.size)[2] - base
        count, end = _END64.unpack_from(tail, wide)[7], wide
    at = tail.rfind(b"PK\x01\x02", 0, end)
    if end < 0 or at < 0:
        raise ValueError("no archive")
    return _offset(tail, at), count


def _offset(tail: bytes, at: int) -> int:
    """Where the entry of a central record begins."""
    fields = _CENTRAL.unpack_from(tail, at)
    packed, plain, name, extra, offset = fields[8], fields[9], fields[10], fields[11], fields[16]
    if offset != _FULL:
        return int(offset)
    # the 64-bit field holds those of the three numbers that did not fit, in this order
    skipped = 8 * sum(number == _FULL for number in (plain, packed))
    start = at + _CENTRAL.size + name + 4 + skipped
    if skipped + 12 > extra:
        raise ValueError("no offset")
    return int(struct.unpack_from("<Q", tail, start)[0])


def _entry(stream: BinaryIO, at: int) -> bytes:
    """The first HEAD_BYTES of an entry, unpacked."""
    stream.seek(at)
    fields = _LOCAL.unpack(stream.read(_LOCAL.size))
    if fields[0] != b"PK\x03\x04" or fields[3] != 8:
        raise ValueError("no packed entry")
    stream.seek(fields[9] + fields[10], 1)
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream.read(HEAD_BYTES), HEAD_BYTES)


def _manifest(text: bytes) -> tuple[dict[str, Any], list[tuple[str, int]]]:
    """Facts, and the first files; a line is a file."""
    head, found, listing = text.partition(b',"files":[')
    if not found:
        raise ValueError("no manifest")
    lines = [line.rstrip(b",") for line in listing.split(b"\n")[1 : MOST_FILES + 1]]
    files = [orjson.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]
    return orjson.loads(head + b"}"), [(str(one["name"]), int(one["size"])) for one in files]


def _table(text: bytes, delimiter: str) -> tuple[list[str], list[list[str]]]:
    """Header and first rows. What was cut off ends in a row that is left out."""
    is_cut = len(text) >= HEAD_BYTES
    csv.field_size_limit(max(csv.field_size_limit(), HEAD_BYTES))
    reader = csv.reader(io.StringIO(text.decode(errors="replace"), newline=""), delimiter=delimiter)
    rows = []
    for row in reader:
        rows.append(row)
        if len(rows) > MOST_ROWS + 1:
            break
    whole = rows[:-1] if is_cut and len(rows) <= MOST_ROWS + 1 else rows
    if not whole:
        raise ValueError("no header")
    return whole[0], whole[1 : MOST_ROWS + 1]


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"

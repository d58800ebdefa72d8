"""Our zips against the standard library's reader, and against `unzip` where it is installed."""

import io
import random
import shutil
import subprocess
import zipfile
import zlib

import pytest

from workers.files import zips
from workers.files.zips import DEFLATED, LAST_BLOCK, STORED, Deflater, Entry, zip_writer


def stored(name, data):
    return Entry(name, len(data), len(data), zlib.crc32(data), STORED), [data]


def deflated(name, pieces):
    """One entry of pieces that were packed apart from one another."""
    packed, text = b"", b"".join(pieces)
    for piece in pieces:
        deflater = Deflater()
        packed += deflater.pack(piece) + deflater.end_piece()
    packed += LAST_BLOCK
    return Entry(name, len(text), len(packed), zlib.crc32(text), DEFLATED), [packed]


def archive(*entries):
    stream = io.BytesIO()
    with zip_writer(stream) as writer:
        for entry in entries:
            writer.add(*entry)
    return stream.getvalue()


ENTRIES = {"table.csv": b"a,b\r\n" * 5000, "images/ü 🙂.jpg": bytes(range(256)), "empty": b""}


def written():
    table = ENTRIES["table.csv"]
    return archive(
        deflated("table.csv", [table[:7], b"", table[7:9999], table[9999:]]),
        stored("images/ü 🙂.jpg", ENTRIES["images/ü 🙂.jpg"]),
        stored("empty", b""),
    )


def read(data):
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        assert found.testzip() is None
        return {info.filename: found.read(info) for info in found.infolist()}


def test_pieces_packed_apart_are_one_file():
    assert read(written()) == ENTRIES


def test_the_same_entries_are_the_same_bytes():
    assert written() == written()


def test_an_archive_of_nothing_is_one():
    assert read(archive()) == {}


@pytest.mark.parametrize("limit", [1, 30, 5000, 30_000])
def test_numbers_that_are_too_long_stand_in_zip64_fields(monkeypatch, limit):
    monkeypatch.setattr(zips, "_WIDE_32", limit)
    monkeypatch.setattr(zips, "_WIDE_16", 2)

    assert read(written()) == ENTRIES


def test_more_entries_than_sixteen_bits_count():
    entries = {f"images/{number}.jpg": b"%d" % number for number in range(66_000)}

    assert read(archive(*(stored(name, data) for name, data in entries.items()))) == entries


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
@pytest.mark.parametrize("limit", [2**32 - 1, 30])
def test_unzip_finds_no_fault(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(zips, "_WIDE_32", limit)
    (tmp_path / "a.zip").write_bytes(written())

    done = subprocess.run(["unzip", "-t", str(tmp_path / "a.zip")], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_data_of_another_size_than_said_is_refused():
    with pytest.raises(ValueError, match="size"):
        archive((Entry("a", 3, 3, 0, STORED), [b"four"]))


def test_any_cut_of_random_bytes_is_one_file():
    chance = random.Random(1)
    for _ in range(20):
        pieces = [chance.randbytes(chance.randrange(100_000)) for _ in range(chance.randrange(5))]

        assert read(archive(deflated("a", pieces))) == {"a": b"".join(pieces)}

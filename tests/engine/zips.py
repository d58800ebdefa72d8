"""Zips that no library writes: made byte by byte (APPNOTE 4.3, 6.1)."""

import struct
import zlib
from dataclasses import dataclass

LOCAL, CENTRAL, END = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s4H2LH")


@dataclass
class Record:
    """An entry; every field can lie. `mode`: of Unix."""

    name: str
    data: bytes = b""
    method: int = 0
    flags: int = 0x800
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    offset: int | None = None
    mode: int = 0o100644
    local_name: str | None = None


def zip_of(*records: Record, count: int | None = None, comment: bytes = b"") -> bytes:
    """The bytes of a zip with these records."""
    body, directory = bytearray(), bytearray()
    for record in records:
        name = record.name.encode("utf-8", "surrogateescape")
        local = name if record.local_name is None else record.local_name.encode()
        crc = zlib.crc32(record.data) if record.crc is None else record.crc
        size = len(record.data) if record.size is None else record.size
        packed = len(record.data) if record.packed_size is None else record.packed_size
        offset = len(body) if record.offset is None else record.offset
        common = (record.flags, record.method, 0, 0x21, crc, packed, size)
        body += LOCAL.pack(b"PK\3\4", 20, *common, len(local), 0) + local + record.data
        directory += (
            CENTRAL.pack(b"PK\1\2", 3 << 8 | 20, 20, *common, len(name), 0, 0, 0, 0, record.mode << 16, offset) + name
        )
    total = len(records) if count is None else count
    end = END.pack(b"PK\5\6", 0, 0, total, total, len(directory), len(body), len(comment))
    return bytes(body + directory) + end + comment


def deflated(data: bytes) -> bytes:
    """A raw deflate stream."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def zipcrypto(files: dict[str, bytes], password: bytes) -> bytes:
    """A zip in the old encryption."""
    records = []
    for name, data in files.items():
        crc = zlib.crc32(data)
        header = bytes(11) + bytes([crc >> 24])
        packed = _encrypted(header + data, password)
        records.append(Record(name, packed, flags=0x801, crc=crc, size=len(data)))
    return zip_of(*records)


def _crc32(crc: int, byte: int) -> int:
    return (crc >> 8) ^ _CRC[(crc ^ byte) & 0xFF]


def _crc_table() -> list[int]:
    table = []
    for number in range(256):
        value = number
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        table.append(value)
    return table


_CRC = _crc_table()


def _encrypted(data: bytes, password: bytes) -> bytes:
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte: int) -> None:
        keys[0] = _crc32(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = _crc32(keys[2], keys[1] >> 24)

    for byte in password:
        update(byte)
    out = bytearray()
    for byte in data:
        key = keys[2] | 2
        out.append(byte ^ (((key * (key ^ 1)) >> 8) & 0xFF))
        update(byte)
    return bytes(out)

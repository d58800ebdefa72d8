"""Cells and rows of csv files."""

import csv
import io
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from workers.files.csv_rows import cell_text, rows_as_bytes

FACE = UUID("00000000-0000-4000-8000-0000000000ff")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", ""),
        ("text", "text"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("1-1", "1-1"),
        (" =1", " =1"),
        ("'=1", "'=1"),
        (0, "0"),
        (-1, "-1"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (FACE, str(FACE)),
        (datetime(2025, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2025-01-02T03:04:05.000006Z"),
        (datetime(2025, 1, 2, 3, tzinfo=timezone(timedelta(hours=3))), "2025-01-02T00:00:00.000000Z"),
        ([], ""),
        ({}, ""),
        (["=a", 'b"'], '["=a","b\\""]'),
        ({"b": None, "a": datetime(2025, 1, 2, tzinfo=UTC)}, '{"a":"2025-01-02T00:00:00.000000Z","b":null}'),
    ],
)
def test_a_value_reads_as(value, text):
    assert cell_text(value) == text


def test_a_cell_is_quoted_when_it_must_be():
    assert rows_as_bytes([["a", 'b"', "c,d", "e\nf", ""]], ",") == b'a,"b""","c,d","e\nf",\r\n'


def test_a_delimiter_may_be_any_character():
    assert rows_as_bytes([["a1", "-", -1]], "-") == b'a1-"\'-"-"-1"\r\n'


def test_half_a_surrogate_pair_is_replaced():
    assert rows_as_bytes([["a\ud800"]], ",") == b"a?\r\n"


delimiters = some.characters(exclude_categories=["Cs"], exclude_characters='"\r\n\0')
texts = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(some.lists(some.lists(texts, min_size=2, max_size=4), max_size=5), delimiters)
def test_what_is_written_is_read_again(rows, delimiter):
    written = rows_as_bytes(rows, delimiter).decode()

    found = list(csv.reader(io.StringIO(written, newline=""), delimiter=delimiter))

    assert found == [[cell_text(cell) for cell in row] for row in rows]

"""The history of a stack: every change of every task and part, written by triggers of the database.

A trigger writes in the transaction of the change itself and cannot be forgotten or bypassed, so that the history
tells what happened and not what the engine believes; the engine has no line of code for it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Literal

import psycopg

from tasks_app.states import TERMINAL

TERMINAL_VALUES = {int(status) for status in TERMINAL}
TABLE = "torture_history"
Connection = Any


@dataclass(frozen=True, slots=True)
class Event:
    """One change of a row; `old_...` are its values before, None when it was made; new ones None when it went."""

    id: int
    at: float
    kind: Literal["task", "part"]
    row_id: int
    task_id: int
    run: int | None = None
    phase: int | None = None
    number: int | None = None
    step: int | None = None
    attempt: int | None = None
    status: int | None = None
    lost: int | None = None
    leased: int | None = None
    path: str | None = None
    sha256: str | None = None
    done: int | None = None
    total: int | None = None
    old_run: int | None = None
    old_phase: int | None = None
    old_number: int | None = None
    old_step: int | None = None
    old_attempt: int | None = None
    old_status: int | None = None
    old_lost: int | None = None
    old_leased: int | None = None
    old_path: str | None = None
    old_sha256: str | None = None
    old_done: int | None = None
    old_total: int | None = None

    @property
    def is_made(self) -> bool:
        return self.old_status is None

    @property
    def is_deleted(self) -> bool:
        return self.status is None

    @property
    def is_claim(self) -> bool:
        return not self.is_made and not self.is_deleted and self.attempt != self.old_attempt

    @property
    def is_release(self) -> bool:
        """A lease that ran out and was noticed."""
        return not self.is_made and not self.is_deleted and (self.lost or 0) > (self.old_lost or 0)

    @property
    def ends_a_claim(self) -> bool:
        """A claim of the row that was made before is worth nothing any more: taken over, ended, or gone."""
        ended = self.status in TERMINAL_VALUES and self.status != self.old_status
        return self.is_claim or self.is_deleted or ended


COLUMNS = [field.name for field in fields(Event)]
WATCHED = COLUMNS[5:17]

TASK = {
    "run": "{0}.run", "phase": "{0}.phase", "number": "NULL", "step": "{0}.step", "attempt": "{0}.attempt",
    "status": "{0}.task_status", "lost": "{0}.lost_count", "leased": "{0}.lease_until IS NOT NULL",
    "path": "{0}.result_path", "sha256": "{0}.result_sha256",
    "done": "{0}.count_task_parts_done", "total": "{0}.count_task_parts_all",
}  # fmt: skip
PART = TASK | {
    "number": "{0}.number", "step": "NULL", "status": "{0}.subtask_status", "done": "NULL", "total": "NULL"
}  # fmt: skip
ROWS = (("task", "tasks_app_task", "id", TASK), ("part", "tasks_app_subtask", "task_id", PART))
CHANGES = (("insert", "NEW"), ("update", "NEW"), ("delete", "OLD"))

TABLE_SQL = """
CREATE TABLE torture_history (
    id {serial}, at {real} NOT NULL, kind TEXT NOT NULL, row_id BIGINT NOT NULL, task_id BIGINT NOT NULL, {others}
)
"""
NOW = {"sqlite": "(julianday('now') - 2440587.5) * 86400.0", "postgresql": "extract(epoch FROM clock_timestamp())"}
TRIGGER = {
    "sqlite": "CREATE TRIGGER torture_{kind}_{change} AFTER {change} ON {table} {when} BEGIN {insert}; END",
    "postgresql": """
CREATE FUNCTION torture_{kind}_{change}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {insert}; RETURN NULL; END $$;
CREATE TRIGGER torture_{kind}_{change} AFTER {change} ON {table} FOR EACH ROW {when}
EXECUTE FUNCTION torture_{kind}_{change}()
""",
}


def statements(vendor: Literal["sqlite", "postgresql"]) -> Iterator[str]:
    """What makes the table and its triggers."""
    texts = {"kind", "path", "old_path", "sha256", "old_sha256"}
    yield TABLE_SQL.format(
        serial="INTEGER PRIMARY KEY AUTOINCREMENT" if vendor == "sqlite" else "BIGSERIAL PRIMARY KEY",
        real="REAL" if vendor == "sqlite" else "DOUBLE PRECISION",
        others=", ".join(f"{name} {'TEXT' if name in texts else 'BIGINT'}" for name in COLUMNS[5:]),
    )
    for kind, table, task_id, values in ROWS:
        for change, row in CHANGES:
            yield _trigger(vendor, kind, table, task_id, values, change, row)


def _trigger(vendor: str, kind: str, table: str, task_id: str, values: dict[str, str], change: str, row: str) -> str:
    def side(name: str, present: bool) -> list[str]:
        if not present:
            return ["NULL"] * len(WATCHED)
        return [_number(values[column].format(name), column) for column in WATCHED]

    given = [NOW[vendor], f"'{kind}'", f"{row}.id", f"{row}.{task_id}"]
    given += side("NEW", change != "delete") + side("OLD", change != "insert")
    insert = f"INSERT INTO {TABLE} ({', '.join(COLUMNS[1:])}) VALUES ({', '.join(given)})"  # noqa: S608  our own words
    differs = "IS NOT" if vendor == "sqlite" else "IS DISTINCT FROM"
    pairs = [(values[column].format("NEW"), values[column].format("OLD")) for column in WATCHED]
    changed = " OR ".join(f"({new}) {differs} ({old})" for new, old in pairs if new != "NULL")
    when = f"WHEN ({changed})" if change == "update" else ""
    return TRIGGER[vendor].format(kind=kind, change=change, table=table, when=when, insert=insert)


def _number(expression: str, column: str) -> str:
    return f"CAST(({expression}) AS INTEGER)" if column == "leased" else expression


@contextmanager
def connected(database_url: str, sqlite_path: str) -> Iterator[Connection]:
    """A connection of the harness itself, past Django; SQLite when the URL is empty."""
    if database_url:
        with psycopg.connect(database_url, autocommit=True, connect_timeout=5) as connection:
            yield connection
        return
    file = sqlite3.connect(sqlite_path, timeout=10, isolation_level=None)
    try:
        yield file
    finally:
        file.close()


def install(connection: Connection) -> None:
    """Begin the history of a database that has its tables."""
    vendor: Literal["sqlite", "postgresql"] = "sqlite" if isinstance(connection, sqlite3.Connection) else "postgresql"
    for statement in statements(vendor):
        connection.execute(statement)


def read(connection: Connection, *, after: int = 0) -> list[Event]:
    """Events in the order in which they were written, those after an id only."""
    names = ", ".join(COLUMNS)
    sql = f"SELECT {names} FROM {TABLE} WHERE id > {int(after)} ORDER BY id"  # noqa: S608  our own words and a number
    return [Event(*row) for row in connection.execute(sql).fetchall()]

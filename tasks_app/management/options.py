"""Options that the commands about tasks share."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from uuid import UUID

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=365 * 100)


def age(text: str) -> timedelta:
    """`30d`, `12h`, `45m`, `2w`, at most a century. Raises ArgumentTypeError."""
    match = re.fullmatch(r"(\d{1,9})([mhdw])", text, re.ASCII)
    if match is None:
        raise ArgumentTypeError(f"'{text}' is no age; ages read like 45m, 12h, 30d, 2w")
    found = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if found > _LONGEST:
        raise ArgumentTypeError(f"'{text}' is more than a hundred years")
    return found


def task_id(text: str) -> int:
    """The number of a task. Raises ArgumentTypeError."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ArgumentTypeError(f"'{text}' is no task id")
    return int(text)


def add_account_option(parser: ArgumentParser, *, default: UUID | None = None) -> None:
    """--account."""
    said = "the default account" if default else "any"
    parser.add_argument("--account", type=UUID, metavar="UUID", default=default, help=f"owner of the tasks; {said}")


def add_wait_option(parser: ArgumentParser) -> None:
    """--wait."""
    parser.add_argument("--wait", action="store_true", help="until the task has ended; a running worker is needed")


def add_ids_argument(parser: ArgumentParser) -> None:
    """One or more task ids."""
    parser.add_argument("ids", metavar="ID", nargs="+", type=task_id)

"""Leases are reckoned by the database's clock: no expression of a lease may hold a time of Python's."""

import ast
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

COLUMNS = {"lease_until", "dispatched_at"}
PYTHON_CLOCKS = {"now", "time", "utcnow", "today", "timestamp", "fromtimestamp"}
FOLDERS = ("tasks_app", "workers")


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for folder in FOLDERS:
        for path in sorted((settings.BASE_DIR / folder).rglob("*.py")):
            if "migrations" not in path.parts and "torture" not in path.parts:
                yield path, ast.parse(path.read_text())


def clocks_in(node: ast.AST) -> list[str]:
    """Calls of Python's clock within an expression: `timezone.now()`, `time.time()`; the database's is `Now()`."""
    return [
        ast.unparse(call)
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in PYTHON_CLOCKS
    ]


def lease_expressions(tree: ast.Module) -> Iterator[ast.expr]:
    """Values given to a column of leases: by keyword, by lookup, in a dict, by assignment, by a default."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg and node.arg.split("__")[0] in COLUMNS:
            yield node.value
        elif isinstance(node, ast.Dict):
            yield from (
                value
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant) and key.value in COLUMNS
            )
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(getattr(target, "attr", getattr(target, "id", "")) in COLUMNS for target in targets):
                yield node.value


def names_in(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


def test_no_lease_expression_uses_pythons_clock():
    found = []
    for path, tree in trees():
        functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        for expression in lease_expressions(tree):
            called = [functions[name] for name in names_in(expression) if name in functions]
            found += [f"{path.name}: {clock}" for node in [expression, *called] for clock in clocks_in(node)]

    assert found == []


def test_transitions_know_no_clock_but_the_databases():
    tree = ast.parse((settings.BASE_DIR / "tasks_app" / "transitions" / "fences.py").read_text())

    assert clocks_in(tree) == []


def test_leases_are_found_where_they_stand():
    sources = [ast.parse(path.read_text()) for path in (settings.BASE_DIR / "tasks_app" / "transitions").glob("*.py")]
    count = sum(1 for tree in sources for _ in lease_expressions(tree))

    assert count >= 5


def test_a_lease_by_pythons_clock_would_be_found():
    bad = ast.parse("rows.update(lease_until=timezone.now() + timedelta(seconds=9))")

    assert [clocks_in(expression) for expression in lease_expressions(bad)] == [["timezone.now()"]]

"""Leases are reckoned by the database's clock: no expression of a lease may hold a time of Python's."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
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
    """Clocks of Python that are called or named: `timezone.now`, `time.time`, a bare `now`; the database's is `Now`."""
    return [
        ast.unparse(name)
        for name in ast.walk(node)
        if (isinstance(name, ast.Attribute) and name.attr in PYTHON_CLOCKS)
        or (isinstance(name, ast.Name) and name.id in PYTHON_CLOCKS - {"time"})
        or (isinstance(name, ast.Call) and isinstance(name.func, ast.Name) and name.func.id == "time")
    ]


def names_a_lease(tree: ast.Module) -> bool:
    """Whether the module reads or writes a column of leases, as a name, a keyword, a lookup or a text."""
    words = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            words.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.update(node.value.split())
    return any(word.split("__")[0].strip('"') in COLUMNS for word in words)


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


def test_modules_that_name_a_lease_know_no_clock_but_the_databases():
    """A time may reach a lease by way of a variable too: such a module has none at all."""
    named = {path: tree for path, tree in trees() if names_a_lease(tree) or "transitions" in path.parts}
    models = settings.BASE_DIR / "tasks_app" / "models.py"  # its other columns begin with the time of creation

    assert {path.name for path in named} >= {"claims.py", "ends.py", "fences.py", "plans.py", "reruns.py", "rescue.py"}
    assert {path.name: clocks_in(tree) for path, tree in named.items() if path != models and clocks_in(tree)} == {}


def test_leases_are_found_where_they_stand():
    sources = [ast.parse(path.read_text()) for path in (settings.BASE_DIR / "tasks_app" / "transitions").glob("*.py")]
    count = sum(1 for tree in sources for _ in lease_expressions(tree))

    assert count >= 5


@pytest.mark.parametrize(
    "line",
    [
        "rows.update(lease_until=timezone.now() + timedelta(seconds=9))",
        "lease_until = models.DateTimeField(default=timezone.now)",
        "rows.filter(lease_until__lt=now())",
        "row.lease_until = datetime.fromtimestamp(time() + 9)",
        "rows.update(**{'dispatched_at': datetime.now(UTC)})",
    ],
)
def test_a_lease_by_pythons_clock_would_be_found(line):
    assert all(clocks_in(expression) for expression in lease_expressions(ast.parse(line)))
    assert list(lease_expressions(ast.parse(line)))


def test_a_lease_by_way_of_a_variable_would_be_found():
    module = ast.parse("now = timezone.now()\nend = now + timedelta(seconds=9)\nrows.update(lease_until=end)")

    assert names_a_lease(module)
    assert clocks_in(module)

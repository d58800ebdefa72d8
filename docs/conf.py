"""Sphinx: the development manual. Pages of error codes, examples and the table of settings come from the code."""

# ruff: noqa: E402  Django is set up before its models are imported

import json
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "lunatasks.settings"
os.environ["LUNATASKS_HOME"] = tempfile.mkdtemp()
for name in ("DATABASE_URL", "REDIS_URL", "LUNATASKS_HOST"):
    os.environ.pop(name, None)

import django

django.setup()

from lunatasks import env
from lunatasks.errors import CATALOGUE
from tasks_app.api.examples import CONTENT_EXAMPLES
from tasks_app.api.operations import MORE_ERRORS

project = "Luna Tasks"
author = "the Luna Tasks project"
copyright = author  # noqa: A001  Sphinx names it so
version = release = "1.0.0"
language = "en"
exclude_patterns = ["_build", "*.md"]
html_theme = "furo"
html_title = "Luna Tasks"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_copy_source = False
html_show_sphinx = False
templates_path: list[str] = []
highlight_language = "none"
nitpicky = True
GENERATED = HERE / "_generated"


def write(path: Path, text: str) -> None:
    """Only when it differs: an unchanged page is not built again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def error_pages() -> None:
    """A page per code, and their table."""
    rows = []
    for code, error in sorted(CATALOGUE.items()):
        title = f"{code}: {error.desc}"
        explanation = " ".join((error.__doc__ or "").split())
        lines = [title, "=" * len(title), "", explanation, "", ".. list-table::", "   :stub-columns: 1", ""]
        for name, value in (("Code", code), ("HTTP status", error.status), ("Class (desc)", error.desc)):
            lines += [f"   * - {name}", f"     - {value}"]
        lines += ["   * - Detail", f"     - ``{error.template}``", "", ":doc:`All error codes <index>`", ""]
        write(HERE / f"errors/{code}.rst", "\n".join(lines))
        rows += [
            f"   * - :doc:`{code}`",
            f"     - {error.status}",
            f"     - {error.desc}",
            f"     - ``{error.template}``",
        ]
    write(HERE / "errors/index.rst", ERRORS_INDEX + "\n".join(rows) + "\n")


ERRORS_INDEX = """Error codes
===========

Every answer with a status of 400 or more holds ``error_code``, ``desc`` (the class), ``detail`` (this case) and
``link`` (the page of the code). An error that happened inside a task is stored and read by
``GET /1/tasks/{task_id}/errors``.

.. toctree::
   :hidden:
   :glob:

   *

.. list-table::
   :header-rows: 1

   * - Code
     - HTTP
     - Class
     - Detail
"""


def examples() -> None:
    """The contents of each type that the OpenAPI document shows too, and the errors of its creation."""
    for task_type, contents in CONTENT_EXAMPLES.items():
        lines = []
        for name, content in contents.items():
            shown = json.dumps({"description": name, "content": content}, indent=2).replace("\n", "\n   ")
            lines += [f"{name.capitalize()}:", "", ".. code-block:: json", "", f"   {shown}", ""]
        for error in MORE_ERRORS.get(task_type, ()):
            lines += [f"* :doc:`/errors/{error.code}`"]
        write(GENERATED / f"{task_type.name.lower()}.txt", "\n".join(lines) + "\n")


def settings_table() -> None:
    """Every environment variable there is."""
    lines = [".. list-table::", "   :header-rows: 1", "", "   * - Variable", "     - Default", "     - What it does"]
    for variable in sorted(env.DECLARED.values(), key=lambda variable: variable.name):
        default = f"``{variable.default}``" if variable.default else ""
        lines += [f"   * - ``{variable.name}``", f"     - {default}", f"     - {variable.help}"]
    write(GENERATED / "settings.txt", "\n".join(lines) + "\n")


def setup(app: object) -> None:
    """Write the generated pages before Sphinx looks for them."""
    error_pages()
    examples()
    settings_table()

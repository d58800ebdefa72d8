"""The conventions of the code base, kept by machine."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from lunatasks import env
from tasks_app import dispatch
from tasks_app.contents import MODELS
from workers import faults
from workers.management.commands.envtable import BEGIN, END
from workers.task_types import TYPES

ROOT = settings.BASE_DIR
PACKAGES = ("lunatasks", "tasks_app", "errors_app", "workers")


def sources():
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts]


def all_tests():
    return "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("task_type", list(TYPES), ids=lambda task_type: task_type.name.lower())
def test_a_task_type_has_all_that_belongs_to_it(task_type):
    name = task_type.name.lower()

    assert TYPES[task_type].number == task_type
    assert task_type in MODELS
    assert dispatch.QUEUE_OF_TYPE[task_type] in settings.LUNATASKS_TASK_QUEUES
    assert (ROOT / f"workers/task_types/{name}.py").exists()
    assert list((ROOT / "tests/engine").glob(f"test_{name}*.py"))


def test_every_queue_is_of_a_task_type():
    assert set(settings.LUNATASKS_TASK_QUEUES) == set(dispatch.QUEUE_OF_TYPE.values())


COMMANDS = sorted(path for path in sources() if path.parent.name == "commands" and path.stem != "__init__")


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_every_command_is_tested(path):
    assert re.search(rf"\b{path.stem}\b", all_tests())


def test_imports_go_one_way():
    # next to this interpreter, which need not be on PATH
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_web_process_never_loads_cv2():
    code = (
        "import sys, lunatasks.wsgi; from django.urls import get_resolver; get_resolver().url_patterns;"
        "sys.exit('cv2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)

    assert done.returncode == 0


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_table_of_the_readme_is_what_the_code_reads():
    written = (ROOT / "README.md").read_text().partition(BEGIN)[2].partition(END)[0].strip()

    assert written == env.table(), "run `.venv/bin/python manage.py envtable --write README.md`"


def test_every_fault_point_stands_in_the_code():
    text = "\n".join(path.read_text() for path in sources() if path.name != "faults.py")

    assert [name for name in faults.POINTS if f'point("{name}"' not in text] == []


def test_no_module_is_longer_than_four_hundred_lines():
    catalogue = ROOT / "lunatasks/errors.py"  # a list of small classes, which belongs in one place
    long = [str(path) for path in sources() if len(path.read_text().splitlines()) > 400 and path != catalogue]

    assert long == []

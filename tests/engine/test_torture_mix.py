"""What the torture's mix asks of linker, gc and exporter."""

import io
import zipfile

import numpy as np
import orjson
import pytest
from django.utils import timezone

from tasks_app.contents import validate_content
from tasks_app.states import TaskType
from tests.conftest import ACCOUNT
from workers.torture import mix

SCENARIOS = {scenario.name: scenario for scenario in mix.SCENARIOS}
TYPES = {"linker": TaskType.LINKER, "gc": TaskType.GC, "exporter": TaskType.EXPORTER}


@pytest.mark.parametrize("name", TYPES)
def test_contents_of_the_mix_are_valid(name):
    content = SCENARIOS[name].body(7)["content"]

    assert validate_content(TYPES[name], content, account_id=ACCOUNT, now=timezone.now())


def test_every_gc_has_victims_of_its_own_and_nobody_else():
    stream = io.BytesIO()

    class File:
        write_bytes = staticmethod(stream.write)

    mix.write_victims(File)
    stream.seek(0)
    names = np.load(stream)["external_id"].tolist()

    first, second = (SCENARIOS["gc"].body(number)["content"]["filters"]["external_ids"][0] for number in (1, 2))
    assert first != second
    assert names.count(first) == names.count(second) == mix.VICTIMS
    assert "" not in names


def test_a_face_that_was_not_linked_is_found():
    ids = sorted(mix.faces()[0])
    check = SCENARIOS["linker"].check

    assert check(orjson.dumps({"result": ids, "errors": []})) == ""
    assert "linked" in check(orjson.dumps({"result": ids[1:], "errors": []}))
    assert "linked" in check(orjson.dumps({"result": [ids[0], *ids], "errors": []}))


def test_a_row_that_is_missing_is_found_and_the_name_of_the_table_does_not_count():
    ids = sorted(mix.faces()[0])
    scenario = SCENARIOS["exporter"]

    def zipped(rows, name):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(name, "face_id,a\r\n" + "".join(f"{row},\r\n" for row in rows))
        return stream.getvalue()

    assert scenario.check(zipped(ids, "task_1.csv")) == ""
    assert "rows" in scenario.check(zipped(ids[:-1], "task_1.csv"))
    assert scenario.essence(zipped(ids, "task_1.csv")) == scenario.essence(zipped(ids, "task_2.csv"))

"""Files in the making: nothing stays of them after a kill, and what was stored outlives a power cut."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from django.core.files.base import ContentFile

from lunatasks import errors
from lunatasks.storage import AtomicFileSystemStorage
from tasks_app import artefacts
from tasks_app.transitions import Artefact
from tests.engine.types import RemoteStorage
from workers.files import artefacts as files

KILLED = """
import os, signal, sys
import django
django.setup()
from workers.files import artefacts
with artefacts.writing("tasks/1/1/x.json") as writer:
    writer.write(b"x" * 10**6)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_while_an_artefact_is_written_leaves_no_file(tmp_path):
    environment = {**os.environ, "LUNATASKS_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "lunatasks.settings"}

    done = subprocess.run([sys.executable, "-c", KILLED], env=environment, check=False)

    assert done.returncode == -9
    assert (tmp_path / "tmp").is_dir()
    assert [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()] == []


def test_an_artefact_has_the_bytes_that_were_written_and_is_described_by_them():
    with files.writing("tasks/1/1/x.bin") as writer:
        writer.write(b"ab")
        writer.write(b"c" * 10**5)

    stored = artefacts.storage().open("tasks/1/1/x.bin").read()
    assert stored == b"ab" + b"c" * 10**5
    assert writer.artefact == Artefact("tasks/1/1/x.bin", len(stored), hashlib.sha256(stored).hexdigest())


def test_the_folder_of_a_stored_file_is_synced_after_the_rename(tmp_path, monkeypatch):
    seen = []

    def remember(handle):
        target = Path(f"/proc/self/fd/{handle}").resolve()
        seen.append((target.is_dir(), (tmp_path / "a" / "x").exists()))

    monkeypatch.setattr(os, "fsync", remember)

    AtomicFileSystemStorage(location=tmp_path).save("a/x", ContentFile(b"1"))

    assert seen == [(False, False), (True, True)]


@pytest.fixture
def remote(settings, tmp_path, monkeypatch):
    """An array in a storage that is no folder of this machine."""
    settings.LUNATASKS_HOME = tmp_path
    monkeypatch.setattr(artefacts, "storage", lambda: RemoteStorage(str(tmp_path / "remote")))
    return files.write_array("tasks/1/1/x.npy", np.arange(5))


def test_a_copy_of_a_remote_artefact_is_whole_and_leaves_nothing_beside_it(remote, tmp_path):
    assert files.read_array(remote, task_id=1, mapped=True).tolist() == [0, 1, 2, 3, 4]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [remote.sha256]


def test_a_copy_that_is_damaged_leaves_no_file(remote, tmp_path):
    wrong = Artefact(remote.path, remote.size, "0" * 64)

    with pytest.raises(errors.ArtefactDamaged):
        files.local_path(wrong, task_id=1)

    assert list((tmp_path / "cache").iterdir()) == []

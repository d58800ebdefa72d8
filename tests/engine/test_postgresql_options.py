"""How connections to PostgreSQL are opened, so that a frozen process or a lost host keeps nobody waiting."""

import json
import os
import subprocess
import sys

import psycopg
import pytest
from django.conf import settings as project

from lunatasks import postgresql


def server_options(**named):
    """What the server is told, by name; of two settings the later one."""
    words = postgresql.options(**named)["options"].replace("-c ", "").split()
    return dict(word.split("=") for word in words)


@pytest.mark.parametrize(("lease", "milliseconds"), [(0.5, "3000"), (2, "3000"), (10, "6000"), (100, "60000")])
def test_a_session_that_does_nothing_in_a_transaction_ends_before_a_lease_of_usual_length(lease, milliseconds):
    assert server_options(given={}, lease=lease)["idle_in_transaction_session_timeout"] == milliseconds


@pytest.mark.parametrize("lease", [0.5, 1, 2, 5, 10, 30, 3600])
def test_a_host_that_vanished_is_noticed_within_about_a_lease(lease):
    options = postgresql.options({}, lease=lease)
    server = server_options(given={}, lease=lease)

    patience = options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"]
    assert options["keepalives"] == 1
    assert patience <= max(2, min(lease, 60))
    assert options["tcp_user_timeout"] == patience * 1000
    assert [int(server[f"tcp_{name}"]) for name in ("keepalives_idle", "keepalives_interval", "keepalives_count")] == [
        options["keepalives_idle"], options["keepalives_interval"], options["keepalives_count"],
    ]  # fmt: skip


def test_what_the_url_says_goes_before_ours():
    given = {"connect_timeout": 9, "keepalives_idle": 99, "options": "-c idle_in_transaction_session_timeout=7"}

    options = postgresql.options(given, lease=10)

    assert (options["connect_timeout"], options["keepalives_idle"], options["keepalives"]) == (9, 99, 1)
    assert server_options(given=given, lease=10)["idle_in_transaction_session_timeout"] == "7"


@pytest.mark.parametrize("role", ["web", "worker", "command"])
def test_the_settings_open_every_connection_that_way(tmp_path, role):
    url = "postgresql://u@127.0.0.1/d?sslmode=disable&options=-c%20work_mem%3D8MB"
    code = "import json; from lunatasks import settings; print(json.dumps(settings.DATABASES['default']['OPTIONS']))"
    environment = {**os.environ, "DATABASE_URL": url, "LUNATASKS_ROLE": role, "LUNATASKS_HOME": str(tmp_path)}
    environment["LUNATASKS_LEASE_SECONDS"] = "10"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.BASE_DIR, env=environment, capture_output=True, check=True
    )

    options = json.loads(done.stdout)
    assert options["sslmode"] == "disable"
    assert options["options"].startswith("-c idle_in_transaction_session_timeout=6000 ")
    assert options["options"].endswith(" -c work_mem=8MB")
    assert options["tcp_user_timeout"] == 9000


def test_the_server_accepts_them(back_end):
    if not back_end.database:
        pytest.skip("of PostgreSQL")
    with psycopg.connect(back_end.database, dbname="postgres", **postgresql.options({}, lease=10)) as session:
        shown = session.execute("SHOW idle_in_transaction_session_timeout").fetchone()

        assert shown == ("6s",)
        assert session.execute("SHOW tcp_keepalives_idle").fetchone() == ("3",)

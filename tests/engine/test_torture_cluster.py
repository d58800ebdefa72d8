"""The PostgreSQL server that torture may restart."""

import os

import psycopg
import pytest

from workers.torture import cluster
from workers.torture.cluster import Cluster
from workers.torture.stack import StackError

pytestmark = pytest.mark.stack


@pytest.mark.skipif(cluster.binaries() is None, reason="no PostgreSQL server is installed here")
def test_a_cluster_survives_a_crash_and_leaves_nothing_behind():
    with Cluster() as own:
        with psycopg.connect(own.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (id int)")

        own.stop("immediate")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(own.url)
        own.start()

        with psycopg.connect(own.url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        if os.geteuid() == 0:
            assert (own.data / "PG_VERSION").stat().st_uid != 0
    assert not own.folder.exists()


def test_without_a_server_it_says_so(monkeypatch):
    monkeypatch.setattr(cluster, "binaries", lambda: None)

    with pytest.raises(StackError, match="no PostgreSQL server"), Cluster():
        pass

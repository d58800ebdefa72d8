"""After a restart of the database the web process answers at once, though its pool holds broken connections only."""

import orjson
import pytest
from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, connection
from django.test import Client, RequestFactory

from lunatasks.api import connections, health
from lunatasks.api.models import AccessToken
from tasks_app.models import Task

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no server that could be restarted"),
    pytest.mark.usefixtures("pool", "sent"),
]
CLUSTERING = {"content": {"objects_type": "faces"}}
POOL = {"min_size": 3, "max_size": 3, "timeout": 10}


@pytest.fixture
def pool(transactional_db, monkeypatch):
    """Connections as settings make them for the web process."""
    connection.close()
    connection.close_pool()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
        patch.setitem(connection.settings_dict, "CONN_HEALTH_CHECKS", False)
        patch.setitem(connection.settings_dict["OPTIONS"], "pool", POOL)
        connection.pool.open(wait=True)
        yield
        connection.close()
        connection.close_pool()


@pytest.fixture
def found(monkeypatch):
    """Grows by one each time that broken connections were found and thrown away."""
    found = []
    discard = connections.discard_broken
    monkeypatch.setattr(connections, "discard_broken", lambda: found.append(discard()))
    return found


@pytest.fixture
def request_status(account):
    """The status of a request through the whole handler, at whose end connections go back to the pool."""
    application = get_wsgi_application()

    def run(method, path, body=None, **headers):
        data = b"" if body is None else orjson.dumps(body)
        headers = {"Luna-Account-Id": str(account)} | headers
        sent = RequestFactory().generic(method, path, data, content_type="application/json", headers=headers)
        started = []
        answer = application(sent.environ, lambda status, _: started.append(int(status[:3])))
        list(answer)
        answer.close()
        return started[0]

    return run


def restart():
    """Break every connection to the database."""
    with connection._nodb_cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = %s",
            [connection.settings_dict["NAME"]],
        )
        assert cursor.fetchone()[0] >= POOL["min_size"]


def test_a_read_is_done_again(request_status, found, make_task):
    path = f"/1/tasks/{make_task().pk}"
    connection.close()
    restart()

    assert request_status("GET", path) == 200
    assert request_status("GET", path) == 200
    assert len(found) == 1


def test_a_write_is_done_once(request_status, found):
    restart()

    assert request_status("POST", "/1/tasks/clustering", CLUSTERING) == 202
    assert Task.objects.count() == 1
    assert len(found) == 1


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("DELETE", 204)])
def test_a_token_is_looked_up_again(request_status, found, make_task, settings, method, status):
    settings.LUNATASKS_API_AUTH = "token"
    token = AccessToken(name="somebody", account_id=None, can_write=True).issue()
    path = f"/1/tasks/{make_task().pk}"
    connection.close()
    restart()

    assert request_status(method, path, Authorization=f"Bearer {token}") == status
    assert len(found) == 1


def test_a_page_asks_its_connection_first(request_status, found, staff):
    client = Client()
    client.force_login(staff)
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    connection.close()
    restart()

    assert request_status("GET", "/admin/", Cookie=cookie) == 200
    assert len(found) == 1


def test_a_health_check_means_the_database_not_a_broken_connection(request_status, found, monkeypatch):
    monkeypatch.setattr(health, "_queue", lambda: None)
    restart()

    assert request_status("GET", "/healthcheck?include_luna_services=1") == 200
    assert len(found) == 1


def test_a_pool_that_has_no_connection_is_waited_for_once(monkeypatch, found):
    tries = []

    def read():
        tries.append(1)
        connection.close()
        raise OperationalError("couldn't get a connection")

    with pytest.raises(OperationalError):
        connections.reading(read)

    assert (len(tries), found) == (1, [])

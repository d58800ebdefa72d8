"""Version, health and the pages of error codes."""

import io
import tomllib
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.db import OperationalError, connection
from redis import ConnectionError as RedisDown

from lunatasks.api import health
from lunatasks.api.version import VERSION
from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import PortError
from tests.api.conftest import error_of


@pytest.fixture
def all_well(monkeypatch):
    """The queue answers; database and storage are real."""
    monkeypatch.setattr(health, "_queue", lambda: None)


def down(error):
    def probe(*args, **kwargs):
        raise error

    return probe


def test_the_version_is_that_of_the_project(root):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    assert ".".join(map(str, VERSION)) == project["version"]
    assert root.get("/version").json() == {"Version": {"api": 1, "major": 1, "minor": 0, "patch": 0}}


@pytest.mark.django_db
def test_a_healthy_service_tells_how_long_the_check_took(root, all_well, tmp_path):
    response = root.get("/healthcheck")

    assert response.status_code == 200
    assert set(response.json()) == {"execution_time"}
    assert 0 < response.json()["execution_time"] < 10
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.django_db
def test_a_queue_that_does_not_answer_is_named(root, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    response = root.get("/healthcheck")

    assert error_of(response) == (502, 28105)
    assert response.json()["detail"] == "queue"


@pytest.mark.django_db
def test_all_parts_that_are_down_are_named(root, monkeypatch):
    monkeypatch.setattr(health, "_database", down(OperationalError("x")))
    monkeypatch.setattr(health, "_queue", down(RedisDown()))
    monkeypatch.setattr(health, "_probe_storage", down(OSError("disk full")))

    assert root.get("/healthcheck").json()["detail"] == "database, queue, storage"


@pytest.mark.django_db
def test_a_database_that_refuses_to_work_is_named(root, all_well):
    def refuse(execute, sql, parameters, many, context):
        raise OperationalError("away")

    with connection.execute_wrapper(refuse):
        response = root.get("/healthcheck")

    assert error_of(response) == (502, 28105)
    assert response.json()["detail"] == "database"


@pytest.mark.django_db
@pytest.mark.parametrize("alias", ["results", "default"])
def test_a_storage_that_takes_no_file_is_named(root, all_well, alias):
    place = Path(storages[alias].path("health"))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("a file where a folder is needed")

    response = root.get("/healthcheck")

    assert error_of(response) == (502, 28105)
    assert response.json()["detail"] == "storage"


@pytest.mark.django_db
@pytest.mark.parametrize("alias", ["results", "default"])
def test_a_storage_that_gives_back_other_bytes_is_named(root, all_well, monkeypatch, alias):
    monkeypatch.setattr(storages[alias], "open", lambda name, mode: io.BytesIO(b"other"))

    assert root.get("/healthcheck").json()["detail"] == "storage"


class Away:
    """A service that does not answer, whatever it is asked."""

    def __getattr__(self, name):
        return down(PortError("away"))


@pytest.mark.django_db
@pytest.mark.parametrize("service", ["faces", "events", "image_store", "handlers"])
def test_each_service_is_asked_and_named_only_when_wanted(root, all_well, monkeypatch, service):
    monkeypatch.setattr(registry, service, Away)

    assert root.get("/healthcheck").status_code == 200
    assert root.get("/healthcheck", include_luna_services=0).status_code == 200
    response = root.get("/healthcheck", include_luna_services=1)
    assert error_of(response) == (502, 28105)
    assert response.json()["detail"] == f"luna-{service.replace('_', '-')}"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("LUNATASKS_EVENTS", "lunatasks.nowhere.Events", "luna-events"),
        ("LUNATASKS_FACES", "lunatasks.luna_services.registry.Nothing", "luna-faces"),
        ("REDIS_URL", "localhost:6379", "queue"),
    ],
)
def test_a_part_whose_setting_names_nothing_is_down(root, settings, monkeypatch, name, value, part):
    if name != "REDIS_URL":
        monkeypatch.setattr(health, "_queue", lambda: None)
        service = name.removeprefix("LUNATASKS_").lower()
        monkeypatch.setattr(registry, service, getattr(registry, service).__wrapped__)  # nothing is remembered
    setattr(settings, name, value)

    response = root.get("/healthcheck", include_luna_services=1)

    assert error_of(response) == (502, 28105)
    assert response.json()["detail"] == part


@pytest.mark.django_db
def test_the_embedded_faces_are_healthy(root, all_well):
    assert root.get("/healthcheck", include_luna_services=1).status_code == 200


@pytest.mark.parametrize("value", ["2", "true", "", "-1"])
def test_a_wrong_wish_is_refused_by_name(root, value):
    response = root.get("/healthcheck", include_luna_services=value)

    assert error_of(response) == (400, 12012)
    assert "include_luna_services" in response.json()["detail"]


def test_the_index_of_errors_leads_to_every_page(root):
    page = root.get("/docs/dev/errors/index.html").content.decode()

    assert 'href="28010.html"' in page
    assert 'href="12022.html"' in page

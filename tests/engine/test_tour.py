"""The demo's tour of all task types, in this process."""

import io
from uuid import uuid5

import pytest
from django.core.management import call_command

from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import EventFilters, FaceFilters
from tasks_app import services
from tasks_app.states import TaskType
from tests.engine.types import result_of, stored
from tests.photos import copied, extractor
from workers.management.commands import demo
from workers.tour import Stop, Tour, TourEnded

PHOTOS = ("obama/obama.jpg", "biden/biden.jpg", "Alice Portugal/Alice Portugal.jpg")
TYPES = ["clustering", "reporter", "linker", "exporter", "cross match", "ROC", "additional extract", "gc", "estimator"]


class InProcess:
    """What the tour asks of a client, without a server."""

    def __init__(self, account, work):
        self._account, self._work = account, work
        self.asked = []

    def create(self, resource, body):
        task_type = TaskType[resource.upper()]
        self.asked.append(task_type)
        return services.create_task(account_id=self._account, task_type=task_type, **body).pk

    def wait(self, task_id):
        self._work()
        return {"task_status": services.get_task(task_id=task_id).task_status}

    def result(self, task_id):
        return {"result": result_of(services.get_task(task_id=task_id))}

    def download(self, task_id):
        return stored(services.get_task(task_id=task_id))

    def errors(self, task_id):
        return list(services.get_task(task_id=task_id).errors.values("detail"))


@pytest.fixture
def tour(transactional_db, settings, tmp_path, sent, work):
    """A tour over three imported photos."""
    extractor()
    account, folder = settings.LUNATASKS_DEFAULT_ACCOUNT_ID, tmp_path / "photos"
    for name in PHOTOS:
        copied(name, folder / name)
    settings.LUNATASKS_HOME = tmp_path
    call_command("importfaces", str(folder), "--list", "photos", "--json")
    return Tour(InProcess(account, work), folder, uuid5(account, "list:photos"))


def taken(tour):
    """The rows by type."""
    tour.make_more_photos()
    task_id, seconds = tour.run("clustering", {"objects_type": "faces"})
    return {stop.name: stop for stop in tour.stops(Stop("clustering", "", seconds, ""), task_id)}


def test_the_demo_ends_with_a_table_of_all_nine_types_and_tells_of_altered_photos(tour):
    out = io.StringIO()

    demo.Command(stdout=out)._show_all(tour, tour._list_id, {})

    assert set(tour.client.asked) == set(TaskType) - {TaskType.UNKNOWN}
    assert "3 second photos of persons are altered copies of the first ones: crop, blur and light" in out.getvalue()
    rows = out.getvalue().splitlines()[-10:]
    assert [row.partition("  ")[0] for row in rows] == ["task type", *TYPES]
    for words in (
        "(second photos are altered copies)",
        "3 of 3 altered photos find their person first",
        "3 linked to 'demo: linked'",
        "3 events with age and gender",
    ):
        assert words in out.getvalue()


def test_a_second_tour_makes_nothing_twice(tour, settings):
    first = taken(tour)
    counts = _counts(settings.LUNATASKS_DEFAULT_ACCOUNT_ID)

    second = taken(tour)

    assert _counts(settings.LUNATASKS_DEFAULT_ACCOUNT_ID) == counts == (6, 3)
    for name in ("linker", "exporter", "cross match", "ROC", "estimator"):
        assert second[name].result == first[name].result


def test_a_task_that_fails_ends_the_tour_with_its_error(tour):
    with pytest.raises(TourEnded, match=r"clustering task .* Objects for clustering not found"):
        tour.run("clustering", {"objects_type": "faces", "filters": {"user_data": "nobody"}})


def _counts(account):
    events = registry.events().count_events(EventFilters(account_id=account))
    return registry.faces().count_faces(FaceFilters(account)), events

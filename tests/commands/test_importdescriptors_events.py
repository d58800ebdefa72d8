"""importdescriptors --target events: face and body descriptors into events."""

import io
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import BODY, SFACE, normalise
from lunatasks.luna_services.embedded.models import Event
from lunatasks.luna_services.ports import EventFilters

pytestmark = pytest.mark.django_db
COUNT = 5


@pytest.fixture
def arrays() -> dict[str, Any]:
    random = np.random.default_rng(1)
    return {
        "event_id": np.array([str(UUID(bytes=random.bytes(16))) for _ in range(COUNT)]),
        "descriptor": random.standard_normal((COUNT, SFACE.dimension)),
        "track_id": np.array(["a", "a", "b", "", "c"]),
        "source": np.array(["gate"] * COUNT),
        "external_id": np.array([f"person {number}" for number in range(COUNT)]),
    }


@pytest.fixture
def body(arrays) -> dict[str, Any]:
    vectors = np.random.default_rng(2).standard_normal((COUNT, BODY.dimension))
    return {"event_id": arrays["event_id"], "descriptor": vectors}


@pytest.fixture
def saved(tmp_path):
    def save(**arrays: Any) -> Path:
        path = tmp_path / "vectors.npz"
        np.savez(path, **arrays)
        return path

    return save


def run(path: Path, *arguments: Any) -> dict[str, Any]:
    out = io.StringIO()
    call_command("importdescriptors", str(path), "--target", "events", *map(str, arguments), "--json", stdout=out)
    return json.loads(out.getvalue())


def stored(account: UUID, kind: str, version: int) -> np.ndarray:
    pages = registry.events().iterate_descriptors(EventFilters(account_id=account), kind=kind, version=version)
    return np.concatenate([rows for _, rows in pages])


def test_all_rows_become_events(arrays, saved, account):
    summary = run(saved(**arrays))

    order = np.argsort(arrays["event_id"])
    cards = registry.events().get_events(account, [UUID(one) for one in arrays["event_id"]])
    assert (summary["rows"], summary["new_events"], summary["known_events"]) == (COUNT, COUNT, 0)
    assert (stored(account, "face", SFACE.number) == normalise(arrays["descriptor"])[order]).all()
    assert [(card.track_id, card.source, card.external_id) for card in cards] == [
        (arrays["track_id"][row] or None, "gate", f"person {row}") for row in order
    ]


def test_body_descriptors_come_to_the_events_that_are_there(arrays, body, saved, account):
    run(saved(**arrays))

    summary = run(saved(**body), "--type", "body")

    order = np.argsort(arrays["event_id"])
    assert (summary["new_events"], summary["known_events"]) == (0, COUNT)
    assert (stored(account, "body", BODY.number) == normalise(body["descriptor"])[order]).all()
    assert len(stored(account, "face", SFACE.number)) == COUNT


def test_a_second_run_changes_nothing(arrays, saved, account):
    run(saved(**arrays))
    before = stored(account, "face", SFACE.number)

    run(saved(**arrays | {"descriptor": -arrays["descriptor"]}))

    assert (stored(account, "face", SFACE.number) == before).all()


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"descriptor": np.full((COUNT, 128), np.nan)}, (), "descriptor of row 0 is not finite"),
        ({"version": np.array(BODY.number)}, (), "version 2001 is not known; known: 1001"),
        ({}, ("--type", "body"), "must be numbers of shape"),
        ({"track_id": np.arange(COUNT)}, (), "'track_id' must be 5 texts"),
        ({"source": np.array(["x" * 129] * COUNT)}, (), "source of row 0 is longer"),
        ({"event_id": np.array(["x"] * COUNT)}, (), "event_id of row 0 is not a uuid"),
        ({}, ("--list", "name"), "events are in no list"),
    ],
)
def test_a_bad_file_is_named_and_nothing_of_it_written(arrays, saved, change, arguments, message):
    with pytest.raises(CommandError, match=message):
        run(saved(**arrays | change), *arguments)

    assert Event.objects.count() == 0


def test_ids_of_another_account_are_refused_before_anything_is_written(arrays, saved, account, other_account):
    run(saved(event_id=arrays["event_id"][4:], descriptor=arrays["descriptor"][4:]), "--account", other_account)

    with pytest.raises(CommandError, match="event_id of row 4 cannot be used"):
        run(saved(**arrays))

    assert registry.events().count_events(EventFilters(account_id=account)) == 0


def test_a_face_has_no_body(arrays, saved):
    with pytest.raises(CommandError, match="no body descriptor"):
        call_command("importdescriptors", str(saved(**arrays)), "--type", "body")


def test_the_summary_is_readable(arrays, saved):
    out = io.StringIO()
    call_command("importdescriptors", str(saved(**arrays)), "--target", "events", stdout=out)

    assert out.getvalue().startswith("5 new events of 5 rows in ")

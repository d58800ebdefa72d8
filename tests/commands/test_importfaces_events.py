"""importfaces --events: photos through a handler into events."""

import io
import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import EventFilters, FaceFilters, NewHandler
from tests.photos import copied, encoded, extractor, opened

pytestmark = pytest.mark.django_db


@pytest.fixture
def album(tmp_path):
    """Two cameras, a photo with a time, one of nobody, a broken one, a note."""
    extractor()
    root = tmp_path / "album"
    copied("obama/obama2.jpg", root / "gate" / "one.jpg")
    copied("biden/biden.jpg", root / "hall" / "left" / "two.jpg")
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2021:05:06 07:08:09"
    (root / "gate" / "timed.jpg").write_bytes(encoded(opened("obama/obama.jpg"), exif=exif.tobytes()))
    (root / "top.png").write_bytes(encoded(Image.new("RGB", (400, 300), "green"), "PNG"))
    (root / "broken.jpg").write_bytes(b"no image")
    (root / "note.txt").write_text("not a photo")
    return root


def run(*arguments, **options):
    out = io.StringIO()
    call_command("importfaces", *map(str, arguments), "--events", "--json", stdout=out, **options)
    return json.loads(out.getvalue())


def events(account):
    ids = [one for page in registry.events().iterate_ids(EventFilters(account_id=account)) for one in page]
    return {event.user_data: event for event in registry.events().get_events(account, ids)}


def test_photos_become_events_of_their_folders(album, account):
    summary = run(album)

    assert (summary["photos"], summary["other_files"], summary["new_events"]) == (5, 1, 3)
    assert (summary["without_face"], [item["file"] for item in summary["broken"]]) == (1, ["broken.jpg"])
    found = events(account)
    assert {name: event.source for name, event in found.items()} == {
        "gate/one.jpg": "gate",
        "gate/timed.jpg": "gate",
        "hall/left/two.jpg": "hall/left",
    }
    assert found["hall/left/two.jpg"].external_id == "left"
    assert {event.track_id for event in found.values()} == {None}
    assert found["gate/timed.jpg"].create_time == datetime(2021, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert all(event.face_detections[0].image_origin for event in found.values())
    assert registry.faces().count_faces(FaceFilters(account)) == 0


def test_a_second_run_makes_nothing_twice(album, account):
    run(album)
    before = events(account)

    summary = run(album)

    assert (summary["new_events"], summary["known_events"]) == (0, 3)
    assert events(account) == before


def test_the_photos_of_a_folder_may_be_one_track(album, account):
    run(album, "--tracks")

    assert {event.track_id for event in events(account).values()} == {"gate", "hall/left"}


def test_a_list_gets_a_face_of_every_event(album, account):
    summary = run(album, "--list", "visitors")

    assert registry.faces().count_faces(FaceFilters(account, list_id=UUID(summary["list_id"]))) == 3
    assert all(event.face_id for event in events(account).values())


def test_a_handler_decides_what_stays(album, account):
    policies = {"conditional_tags_policy": [{"tag": "seen"}]}
    handler_id, _ = registry.handlers().add_handler(account, NewHandler(policies=policies))

    run(album, "--handler", handler_id)

    assert {(event.handler_id, event.tags) for event in events(account).values()} == {(handler_id, ("seen",))}
    assert {event.face_detections[0].image_origin for event in events(account).values()} == {""}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--jobs", 2], "one process"),
        (["--handler", uuid4(), "--list", "x"], "leave --list out"),
        (["--handler", uuid4()], "is not one of account"),
        (["--list", "x" * 200], "128"),
    ],
)
def test_what_cannot_be_done_is_told(album, account, arguments, words):
    with pytest.raises(CommandError, match=words):
        run(album, *arguments)

    assert events(account) == {}


def test_options_of_events_go_with_events(album):
    with pytest.raises(CommandError, match="go with --events"):
        call_command("importfaces", str(album), "--tracks")


def test_the_summary_is_readable(album):
    out = io.StringIO()

    call_command("importfaces", str(album), "--events", stdout=out)

    assert "3 new events" in out.getvalue()
    assert "broken.jpg: cannot be decoded" in out.getvalue()

"""createhandler: files in, handlers or clear errors out."""

import io
import json
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command

from lunatasks.luna_services import registry

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(tmp_path):
    """The summary of a run over that content."""

    def execute(content, *arguments):
        path = tmp_path / "handler.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        out = io.StringIO()
        call_command("createhandler", str(path), "--json", *map(str, arguments), stdout=out)
        return json.loads(out.getvalue())

    return execute


def test_a_handler_is_stored_for_the_default_account(run, account):
    summary = run({"description": "gate", "policies": {"extract_policy": {"extract_basic_attributes": 1}}})

    card = registry.handlers().get_handler(account, UUID(summary["handler_id"]))
    assert summary["is_new"]
    assert card.description == "gate"
    assert card.policies["extract_policy"]["extract_basic_attributes"] == 1


def test_a_second_run_stores_nothing_new(run):
    first = run({"policies": {}})

    assert run({"policies": {}}) == first | {"is_new": False}


def test_id_and_account_may_be_given(run, other_account):
    handler_id = uuid4()

    run({"policies": {}, "handler_id": str(handler_id)}, "--account", other_account)

    assert registry.handlers().get_handler(other_account, handler_id)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ([], "policies"),
        ({"description": "x"}, "policies"),
        ({"policies": {}, "name": "x"}, "unknown member name"),
        ({"policies": {}, "description": 1}, "description"),
        ({"policies": {}, "description": "x" * 129}, "description"),
        ({"policies": {}, "handler_id": "x"}, "handler_id"),
        ({"policies": {}, "handler_id": 1}, "handler_id"),
        ({"policies": {"match_policy": [{"label": "a"}]}}, "match_policy.0"),
        ({"policies": {"detect_policy": {"detect_body": 1}}}, "a body model is not available"),
        (
            {"policies": {"match_policy": [{"label": "a", "candidates": {"list_id": str(uuid4())}}]}},
            "is not one of account",
        ),
    ],
)
def test_a_bad_file_is_refused_in_words(run, account, content, words):
    with pytest.raises(CommandError, match=words):
        run(content)

    assert list(registry.handlers().iterate_handlers(account)) == []


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CommandError, match=r"absent\.json: No such file"):
        call_command("createhandler", str(tmp_path / "absent.json"))

"""Readers of the environment refuse nonsense and name the variable."""

from pathlib import Path
from uuid import UUID

import pytest
from django.core.exceptions import ImproperlyConfigured

from lunatasks import env


@pytest.fixture(autouse=True)
def declared(monkeypatch):
    monkeypatch.setattr(env, "DECLARED", {})


@pytest.fixture
def given(monkeypatch):
    return lambda value: monkeypatch.setenv("X", value)


@pytest.mark.parametrize("value", ["", "   "])
def test_a_blank_variable_is_an_unset_one(given, value):
    given(value)

    assert env.text("X", "d", help="h") == "d"
    assert env.integer("X", 3, low=1, high=5, help="h") == 3
    assert env.seconds("X", 0.5, low=0, high=5, help="h") == 0.5
    assert env.boolean("X", True, help="h") is True
    assert env.choice("X", "a", choices=("a", "b"), help="h") == "a"
    assert env.names("X", ("a",), help="h") == ["a"]


@pytest.mark.parametrize("value", ["x", "1.5", "0", "6", "1e1"])
def test_an_integer_outside_of_its_bounds_is_refused_by_name(given, value):
    given(value)

    with pytest.raises(ImproperlyConfigured, match="X"):
        env.integer("X", 3, low=1, high=5, help="h")


@pytest.mark.parametrize("value", ["x", "nan", "inf", "-1", "6"])
def test_seconds_outside_of_their_bounds_are_refused_by_name(given, value):
    given(value)

    with pytest.raises(ImproperlyConfigured, match="X"):
        env.seconds("X", 3, low=0, high=5, help="h")


@pytest.mark.parametrize(("value", "meant"), [("1", True), ("Yes", True), ("ON", True), ("0", False), ("false", False)])
def test_booleans_have_their_usual_words(given, value, meant):
    given(value)

    assert env.boolean("X", not meant, help="h") is meant


def test_another_word_is_no_boolean_and_no_choice(given):
    given("perhaps")

    with pytest.raises(ImproperlyConfigured, match="X"):
        env.boolean("X", True, help="h")
    with pytest.raises(ImproperlyConfigured, match="X"):
        env.choice("X", "a", choices=("a", "b"), help="h")
    with pytest.raises(ImproperlyConfigured, match="X"):
        env.uuid("X", "6d071cca-fda5-4a03-84d5-5bea65904480", help="h")


def test_names_are_split_at_commas_without_blanks(given):
    given(" 1, ,6 ,")

    assert env.names("X", (), help="h") == ["1", "6"]


def test_uuids_and_paths_are_typed(given):
    given("~/x")
    assert env.path("X", Path("/d"), help="h", shown="d") == Path.home() / "x"

    given("6d071cca-fda5-4a03-84d5-5bea65904480")
    assert env.uuid("X", "0" * 32, help="h") == UUID("6d071cca-fda5-4a03-84d5-5bea65904480")


def test_every_read_is_declared_with_what_the_table_shows():
    env.integer("X", 3, low=1, high=5, help="what it does")
    env.path("Y", Path("/secret/place"), help="where", shown="var/")

    assert env.DECLARED["X"] == env.Variable("X", "3", "what it does")
    assert env.DECLARED["Y"].default == "var/"

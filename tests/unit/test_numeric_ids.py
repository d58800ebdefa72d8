"""Uuids as arrays."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.numeric import ids


@settings(deadline=None)
@given(st.lists(st.uuids(), max_size=40), st.sampled_from([1, 3, 10_000]))
def test_uuids_become_an_array_and_strings_again(values, chunk):
    array = ids.to_array(values)

    assert array.shape == (len(values), 16)
    assert list(ids.to_strings(array, chunk=chunk)) == [str(value) for value in values]


@pytest.mark.parametrize("number", [0, 1, 2**128 - 1])
def test_every_digit_of_a_uuid_is_written(number):
    assert list(ids.to_strings(ids.to_array([UUID(int=number)]))) == [str(UUID(int=number))]


@settings(deadline=None)
@given(st.sets(st.integers(0, 2**128 - 1) | st.sampled_from([0, 1, 256, 2**120])), st.lists(st.integers(0, 2**128 - 1)))
def test_positions_are_those_of_a_search_from_the_left(known, others):
    among = sorted(UUID(int=number) for number in known)
    wanted = [UUID(int=number) for number in [*others, *known]]

    found = ids.positions(ids.to_array(wanted), ids.to_array(among))

    assert found.tolist() == [among.index(value) if value in among else -1 for value in wanted]

"""Generated requests: whatever is sent, the answer is one of the contract's."""

import string

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks_app.contents.filters import EventFilters, FaceFilters
from tests.api.conftest import error_of

pytestmark = pytest.mark.django_db

relaxed = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FACE = "557d54ec-29ad-4f3c-93b4-c9092ef12515"
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
    | st.sampled_from([FACE, FACE.upper(), "2018-08-11T09:11:41Z", "faces", "events", "\0", 0, 1])
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3))
filters = st.dictionaries(st.sampled_from([*FaceFilters.model_fields, *EventFilters.model_fields]), values, max_size=3)
contents = st.fixed_dictionaries(
    {"objects_type": st.sampled_from(["faces", "faces", "events"])},
    optional={
        "filters": filters | values,
        "params": values,
        "threshold": values,
        "limit": values,
        "descriptor": values | st.fixed_dictionaries({"type": st.sampled_from(["face", "body"])}),
    },
)
TIMES = [f"{kind}_time__{bound}" for kind in ("create", "end", "error") for bound in ("lt", "gte")]
CODES = ["task_type", "task_status", "status_code", "error_code"]
names = st.sampled_from(["page", "page_size", "task_ids", "error_ids", "account_id", "result_id", *CODES, *TIMES])
words = text | st.text(string.digits + ",-+.TZ:", max_size=30) | st.integers().map(str) | st.datetimes().map(str)


@relaxed
@given(content=contents | values)
def test_any_content_is_accepted_or_refused_by_the_contract(api, sent, content):
    response = api.cluster(content)

    if response.status_code != 202:
        assert error_of(response) in {(400, 12022), (501, 28108)}
    else:
        shown = api.get(f"/tasks/{response.json()['task_id']}").json()["content"]
        assert set(shown["filters"]) >= {"create_time__lt"}


@relaxed
@given(body=st.binary(max_size=200) | values.map(orjson.dumps))
def test_any_body_is_accepted_or_refused_by_the_contract(api, sent, body):
    assert error_of(api.post("/tasks/clustering", body=body))[0] in {400, 501}


@relaxed
@given(
    path=st.sampled_from(["/tasks", "/tasks/count", "/tasks/errors", "/tasks/errors/count", "/tasks/1/errors"]),
    query=st.dictionaries(names, words, max_size=3),
)
def test_any_query_is_answered_or_refused_by_the_contract(api, path, query):
    response = api.get(path, **query)

    if response.status_code != 200:
        assert error_of(response) in {(400, 12012), (404, 28001)}


@relaxed
@given(path=st.text(max_size=30))
def test_any_path_is_answered_or_unknown(api, path):
    response = api.client.get("/1/" + path.encode("utf-8", "replace").decode())

    if response.status_code != 200:
        assert error_of(response)[0] in {400, 404, 405}

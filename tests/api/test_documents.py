"""Settings, metrics, the OpenAPI document and the manual, as they are served."""

import re
import string
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import yaml
from django.conf import settings as django_settings
from django.core.management import call_command
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lunatasks.api import effective
from lunatasks.api.documents import openapi_document
from lunatasks.errors import CATALOGUE
from tasks_app.api.examples import CONTENT_EXAMPLES
from tasks_app.contents import MODELS, validate_content
from tasks_app.states import Status, TaskType
from tests.api.conftest import error_of

REPOSITORY = Path(__file__).parents[2]
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
words = st.text(string.ascii_letters + string.digits, min_size=8, max_size=20)


# -- settings ----------------------------------------------------------------------------------------


def test_the_influx_group_is_exactly_the_references(root):
    assert root.get("/config").json()["INFLUX_MONITORING"] == {
        "SEND_DATA_FOR_MONITORING": 0,
        "VERSION": 2,
        "ORGANIZATION": "ORGANIZATION_NAME",
        "TOKEN": "********",
        "BUCKET": "luna_monitoring",
        "HOST": "127.0.0.1",
        "PORT": 8086,
        "USE_SSL": 0,
        "FLUSHING_PERIOD": 1,
    }


def test_settings_are_shown_as_json_or_text(root):
    json = root.get("/config")
    text = root.get("/config", headers={"Accept": "text/plain"})

    assert json["Content-Type"] == "application/json"
    assert {"API", "DATABASE", "ENGINE", "QUEUE", "SERVICE"} <= set(json.json())
    assert text["Content-Type"] == "text/plain; charset=utf-8"
    assert "INFLUX_MONITORING.PORT = 8086\n" in text.content.decode()
    assert error_of(root.get("/config", headers={"Accept": "image/png"})) == (415, 12024)


def test_every_setting_of_ours_is_shown(root):
    shown = {name for group in root.get("/config").json().values() for name in group}

    assert {name for name in dir(django_settings) if name.startswith("LUNATASKS_")} <= shown


@hypothesis_settings(deadline=None)
@given(secret=words, name=st.sampled_from(["PASSWORD", "api_key", "Token", "SECRET_KEY", "credentials", "PASS"]))
def test_no_setting_can_show_a_secret(secret, name):
    secret = f"~{secret}~"
    for value in (
        {name: secret},
        {name: ""},
        {name: [secret]},
        {"OPTIONS": {name: {"deep": secret}}},
        [f"redis://:{secret}@host/0"],
        f"postgresql://user:{secret}@host/db",
        f"https://{secret}@host/",
        f"unix:///run/x.sock?password={secret}&db=1",
        f"host=x {name.lower()}={secret} port=1",
        Path(f"/x/y?token={secret}"),
    ):
        shown = str(effective.masked({"ANY": value}))
        assert secret not in shown
        assert effective.MASK in shown


SHOWN = sorted(name for name in dir(django_settings) if effective._group_of(name))


@hypothesis_settings(deadline=None, max_examples=300)
@given(secret=words, name=st.sampled_from(SHOWN), place=st.sampled_from(["password", "access_key", "Token", "PWD"]))
def test_whichever_setting_holds_a_secret_does_not_show_it(secret, name, place):
    secret = f"~{secret}~"
    values = {each: getattr(django_settings, each) for each in SHOWN}
    for value in (
        f"rediss://somebody:{secret}@host:1/0",
        f"https://host/x?{place}={secret}",
        {"deep": [{place: secret}]},
        [f"https://{secret}@host/"],
    ):
        with mock.patch.object(effective, "settings", SimpleNamespace(**values | {name: value})):
            shown = effective.effective_settings()
        assert secret not in str(shown)
        assert any(name in group for group in shown.values())
        assert secret not in effective.as_text(shown)


def test_no_secret_of_the_settings_is_shown(root, settings):
    settings.SECRET_KEY = "secret-one"
    settings.LUNATASKS_ENCRYPTION_KEYS = ["secret-two"]
    settings.REDIS_URL = "rediss://somebody:secret-three@host:1/0"
    settings.STORAGES = settings.STORAGES | {"s3": {"OPTIONS": {"secret_key": "secret-four", "access_key": ""}}}

    for accept in ("application/json", "text/plain"):
        shown = root.get("/config", headers={"Accept": accept}).content.decode()
        assert "secret-" not in shown
        assert "host:1/0" in shown


# -- negotiation and the document --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/x-yaml"),
        ("", "application/x-yaml"),
        ("*/*", "application/x-yaml"),
        ("application/x-yaml", "application/x-yaml"),
        ("APPLICATION/X-YAML", "application/x-yaml"),
        ("application/*", "application/x-yaml"),
        ("text/html", "text/html"),
        ("text/*", "text/html"),
        (BROWSER, "text/html"),
        ("text/html;q=0.5, application/x-yaml;q=0.4", "text/html"),
        ("text/html;q=0.4, application/x-yaml;q=0.5", "application/x-yaml"),
        ("text/html;level=1;q=0.3, */*;q=0.1", "text/html"),
        ("application/x-yaml;q=0, */*", "text/html"),
        ("text/html;q=x, application/x-yaml", "application/x-yaml"),
    ],
)
def test_the_document_is_served_in_the_form_that_is_wanted(root, accept, expected):
    headers = {} if accept is None else {"Accept": accept}
    response = root.get("/docs/spec", headers=headers)

    assert response.status_code == 200
    assert response["Content-Type"].startswith(expected)


@pytest.mark.parametrize("accept", ["image/png", "application/json", "*/*;q=0", "text/html;q=0", "x", ",", ";q=1"])
def test_another_form_is_refused(root, accept):
    assert error_of(root.get("/docs/spec", headers={"Accept": accept})) == (415, 12024)


def test_the_committed_document_is_the_one_that_is_served(root, tmp_path):
    made = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(made))

    assert made.read_text() == (REPOSITORY / "docs/openapi.yaml").read_text(), (
        "run: manage.py spectacular --file docs/openapi.yaml"
    )
    assert yaml.safe_load(root.get("/docs/spec").content) == yaml.safe_load(made.read_text())


def test_the_page_loads_nothing_from_elsewhere(root):
    response = root.get("/docs/spec", headers={"Accept": "text/html"})
    page = response.content.decode()

    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)
    assert "<script" not in page
    assert "default-src 'none'" in response["Content-Security-Policy"]
    for path, methods in openapi_document()["paths"].items():
        assert path in page
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page


def test_every_operation_has_its_errors_its_request_id_and_an_example():
    for path, methods in openapi_document()["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            assert {"400", "401", "403", "500"} <= set(answers), (method, path)
            assert "Luna-Request-Id" in {parameter["name"] for parameter in operation["parameters"]}
            assert operation["operationId"]
            assert operation["summary"]


@pytest.mark.parametrize("task_type", list(MODELS))
def test_every_example_of_a_content_is_valid(task_type, account):
    from django.utils import timezone

    assert CONTENT_EXAMPLES[task_type]
    for content in CONTENT_EXAMPLES[task_type].values():
        assert validate_content(task_type, content, account_id=account, now=timezone.now())


# -- metrics -----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_metrics_count_tasks_parts_and_requests(root, make_task, make_subtask):
    make_task()
    make_task(task_status=Status.DONE, task_type=TaskType.ROC)
    make_subtask()

    response = root.get("/metrics")
    text = response.content.decode()
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'lunatasks_tasks{type="clustering",status="pending"} 1\n' in text
    assert 'lunatasks_tasks{type="ROC",status="done"} 1\n' in text
    assert 'lunatasks_open_parts{status="pending"} 1\n' in text
    assert 'lunatasks_http_requests_total{method="GET",status="200"}' in root.get("/metrics").content.decode()
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r"\w+(\{[^}]*\})? [0-9.e+]+", line), line


# -- the manual --------------------------------------------------------------------------------------


@pytest.fixture
def manual(settings, tmp_path):
    settings.LUNATASKS_MANUAL_DIR = tmp_path / "manual"
    (tmp_path / "manual/errors").mkdir(parents=True)
    (tmp_path / "secret.html").write_text("outside")
    return tmp_path / "manual"


def test_the_manual_is_redirected_to_its_first_page(root):
    for path in ("/docs/dev", "/docs/dev/"):
        response = root.get(path)
        assert (response.status_code, response["Location"]) == (302, "/docs/dev/index.html")


def test_the_built_manual_is_served_with_its_types(root, manual):
    (manual / "index.html").write_text("<h1>built</h1>")
    (manual / "style.css").write_text("x")

    assert "built" in root.get("/docs/dev/index.html").content.decode()
    assert root.get("/docs/dev/style.css")["Content-Type"] == "text/css; charset=utf-8"


def test_pages_of_codes_are_there_without_a_built_manual(root, manual):
    assert "make docs" in root.get("/docs/dev/index.html").content.decode()
    for code in CATALOGUE:
        assert str(code) in root.get(f"/docs/dev/errors/{code}.html").content.decode()

    (manual / "errors/12022.html").write_text("from the manual")
    assert root.get("/docs/dev/errors/12022.html").content == b"from the manual"


@pytest.mark.parametrize(
    "path", ["../secret.html", "%2e%2e/secret.html", "/etc/passwd", "..%2fsecret.html", "none.html", "errors", "%00"]
)
def test_nothing_outside_of_the_manual_is_served(root, manual, path):
    assert error_of(root.get(f"/docs/dev/{path}")) == (404, 28100)


def test_an_unknown_path_has_the_error_body_in_debug_mode_too(root, settings):
    settings.DEBUG = True

    assert error_of(root.get("/nowhere")) == (404, 28100)
    assert error_of(root.get("/1/tasks/x")) == (404, 28100)
    assert error_of(root.get("/docs/dev/errors/99999.html")) == (404, 28100)

"""Archives from the net: from allowed hosts and checked addresses only."""

import io
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest

from lunatasks.errors import SourceRefused
from lunatasks.luna_services import registry
from lunatasks.luna_services.ports import EventFilters
from tasks_app.states import Status, TaskType
from tests.engine.types import create, ended, errors_of, result_of
from tests.engine.zips import Record, zip_of
from tests.photos import extractor, photo
from workers.files.downloads import allowed_of_settings, download, is_url

DATA = b"archive" * 1000


class Site(BaseHTTPRequestHandler):
    """Paths that answer well and badly."""

    protocol_version = "HTTP/1.1"
    zip = b""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/redirect":
            self.send_response(302)
            self.send_header("Location", query)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = {"/ok": DATA, "/zip": Site.zip, "/short": DATA}.get(path)
        self.send_response(404 if data is None else 200)
        body = data or b""
        if path != "/endless":
            self.send_header("Content-Length", str(len(body) + (10 if path == "/short" else 0)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *args):
        """Quiet."""


@pytest.fixture
def site():
    """host:port of a server on the loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def fetch(settings):
    """What a URL gives when those hosts are allowed."""

    def run(url, *hosts, most=10**6):
        settings.LUNATASKS_IMPORT_HOSTS = list(hosts)
        sink = io.BytesIO()
        download(url, sink, allowed=allowed_of_settings(), most=most, check=lambda: None)
        return sink.getvalue()

    return run


def test_an_allowed_address_is_read(site, fetch):
    assert fetch(f"http://{site}/ok", "127.0.0.0/8") == DATA


def test_an_allowed_name_is_read_when_its_address_is_allowed(site, fetch):
    port = site.rpartition(":")[2]

    assert fetch(f"http://localhost:{port}/ok", "localhost", "127.0.0.1", "::1") == DATA


def test_nothing_is_allowed_by_default(site, fetch, settings):
    with pytest.raises(SourceRefused, match="not allowed"):
        fetch(f"http://{site}/ok")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://localhost/ok", "not public"),
        ("http://other.example/ok", "not allowed"),
        ("http://127.0.0.1/ok", "not allowed"),
        ("http://[::1]/ok", "not allowed"),
        ("http://[::ffff:127.0.0.1]/ok", "not allowed"),
        ("http://2130706433/ok", "not allowed"),
        ("http://0x7f.1/ok", "not allowed"),
        ("ftp://localhost/ok", "only http"),
        ("file:///etc/passwd", "only http"),
        ("gopher://localhost/", "only http"),
        ("http://user:secret@localhost/ok", "user or password"),
        ("http://localhost:99999/ok", "none"),
        ("http://[bad/ok", "none"),
        ("http:///ok", "not allowed"),
    ],
)
def test_an_address_that_may_not_be_read_is_refused(fetch, url, words):
    with pytest.raises(SourceRefused, match=words) as caught:
        fetch(url, "localhost", "files.example")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "target",
    ["http://10.0.0.1/x", "http://169.254.169.254/latest", "http://[::1]:1/x", "http://localhost/x", "file:///x"],
)
def test_a_redirect_to_where_nobody_may_go_is_not_followed(site, fetch, target):
    with pytest.raises(SourceRefused):
        fetch(f"http://{site}/redirect?{target}", "127.0.0.1/32")


def test_a_redirect_to_an_allowed_place_is_followed_three_times(site, fetch):
    assert fetch(f"http://{site}/redirect?/ok", "127.0.0.1") == DATA
    with pytest.raises(SourceRefused, match="redirects"):
        fetch(f"http://{site}/redirect?/redirect?/redirect?/redirect?/redirect?/ok", "127.0.0.1")


def test_a_name_that_answers_otherwise_a_moment_later_leads_nowhere_else(site, fetch, monkeypatch):
    asked = []
    port = int(site.rpartition(":")[2])

    def resolve(host, *arguments, **options):
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **named: resolve(host) if host == "files.example" else real(host, *rest, **named),
    )

    assert fetch(f"http://files.example:{port}/ok", "files.example", "127.0.0.1") == DATA
    assert asked == ["files.example"]


def test_one_private_address_among_public_ones_is_enough_to_refuse(fetch, monkeypatch):
    places = [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("192.168.1.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: places)

    with pytest.raises(SourceRefused, match="not public"):
        fetch("http://files.example/a.zip", "files.example")


def test_addresses_that_only_look_public_are_not(settings):
    settings.LUNATASKS_IMPORT_HOSTS = []
    allowed = allowed_of_settings()

    private = ("127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "::1")
    translated = ("::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1", "2002:a00:1::1", "::10.0.0.1")
    for address in (*private, *translated, "fe80::1", "fc00::1", "fec0::1", "ff0e::1", "2001::1"):
        assert not allowed.permits_address(ip_address(address)), address
    for address in ("93.184.216.34", "::ffff:93.184.216.34", "2606:2800:220:1::1"):
        assert allowed.permits_address(ip_address(address)), address


@pytest.mark.parametrize(
    ("path", "words"), [("/absent", "404"), ("/short", "broke off|failed"), ("/ok", "larger than 10")]
)
def test_a_download_that_goes_wrong_is_told(site, fetch, path, words):
    with pytest.raises(SourceRefused, match=words):
        fetch(f"http://{site}{path}", "127.0.0.1", most=10 if path == "/ok" else 10**6)


def test_a_server_that_is_not_there_is_told(fetch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

    with pytest.raises(SourceRefused, match="does not answer"):
        fetch(f"http://127.0.0.1:{port}/", "127.0.0.1")


def test_ids_and_paths_are_no_urls():
    assert [is_url(text) for text in ("http://x", "s3://x", "a/b.zip", "C:\\a.zip")] == [True, True, False, False]


def test_an_estimator_reads_a_zip_from_the_net(site, settings, transactional_db, account, sent, work):
    extractor()
    settings.LUNATASKS_IMPORT_HOSTS = ["127.0.0.1"]
    Site.zip = zip_of(Record("a.jpg", photo("obama/obama.jpg").read_bytes()))
    source = {"source_type": "zip", "reference": f"http://{site}/zip"}
    task = create(account, TaskType.ESTIMATOR, {"handler": {"policies": {}}, "source": source})
    work()

    assert [row["status"] for row in result_of(ended(task))] == [1]
    assert registry.events().count_events(EventFilters(account_id=account)) == 1


def test_an_estimator_of_a_forbidden_url_fails_clearly(settings, transactional_db, account, sent, work):
    settings.LUNATASKS_IMPORT_HOSTS = []
    source = {"source_type": "zip", "reference": "http://127.0.0.1/a.zip"}
    task = create(account, TaskType.ESTIMATOR, {"handler": {"policies": {}}, "source": source})
    work()

    assert errors_of(ended(task, Status.FAILED)) == [(SourceRefused.code, None)]

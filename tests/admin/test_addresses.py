"""Addresses around the pages."""


def test_the_admin_is_reached_without_its_slash(client):
    answer = client.get("/admin")

    assert (answer.status_code, answer.url) == (302, "/admin/")


def test_browsers_find_an_icon(client):
    answer = client.get("/favicon.ico")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert client.post("/favicon.ico").status_code == 405

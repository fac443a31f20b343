"""Who may ask: this machine, this page, with the token."""

from __future__ import annotations

import asyncio

import pytest
from tests.web.desks import PORT, TOKEN

from uncodec.web.guard import Keys

HOST = f"127.0.0.1:{PORT}"


def routes(client):
    for route in client.app.routes:
        for method in sorted(route.methods - {"HEAD"}):
            yield method, route.path.replace("{key}", "k").replace("{link}", "l")


def test_nothing_is_done_or_told_without_the_token(make_client):
    client = make_client()
    asked = [(m, p) for m, p in routes(client) if p.startswith("/api/") and p != "/api/login"]
    assert len(asked) >= 15
    for wrong in ("", "Bearer ", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN):
        for method, path in asked:
            answer = client.request(method, path, headers={"authorization": wrong}, json={})
            assert answer.status_code == 401, (method, path, wrong)
    # In the address it is not taken: addresses end up in logs.
    answer = client.get(f"/api/state?token={TOKEN}", headers={"authorization": ""})
    assert answer.status_code == 401


def test_the_page_itself_holds_no_secret(client):
    page = client.get("/", headers={"authorization": ""})
    assert page.status_code == 200
    for path in ("/", *(f"/static/{name}" for name in ("app.js", "wire.js", "player.js"))):
        assert TOKEN not in client.get(path, headers={"authorization": ""}).text
    # All of it comes from here.
    assert "http://" not in page.text
    assert "https://" not in page.text


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"evil.example:{PORT}",
        f"127.0.0.1.evil.example:{PORT}",
        f"localhost.evil.example:{PORT}",
        "127.0.0.1",
        f"127.0.0.1:{PORT + 1}",
        f"192.168.0.7:{PORT}",
        f"[::2]:{PORT}",
        f"0.0.0.0:{PORT}",
        f"@127.0.0.1:{PORT}",
        f"127.0.0.1:{PORT}:{PORT}",
        "",
        ":",
        "[",
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/state", "/static/app.js", "/download/x"])
def test_another_name_of_this_address_is_refused(client, host, path):
    assert client.get(path, headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", [HOST, f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"[::1]:{PORT}"])
def test_the_names_of_this_machine_are_taken(client, host):
    assert client.get("/api/state", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://{HOST}"},
        {"origin": f"http://127.0.0.1:{PORT + 1}"},
        {"origin": f"http://localhost:{PORT}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_page_of_another_origin_may_not_ask(client, headers):
    for method, path in (("POST", "/api/end"), ("GET", "/api/state"), ("POST", "/api/login")):
        answer = client.request(method, path, headers=headers, json={})
        assert answer.status_code == 403
    assert client.left == []


def test_the_page_of_this_server_may_ask(client):
    headers = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
    assert client.post("/api/end", headers=headers, json={}).status_code == 200
    assert client.left == [1]


def test_nothing_is_shared_with_other_origins(client):
    for headers in ({}, {"origin": "http://evil.example"}, {"origin": f"http://{HOST}"}):
        for method in ("OPTIONS", "GET", "POST"):
            asked = {**headers, "access-control-request-method": "POST"}
            answer = client.request(method, "/api/state", headers=asked)
            assert not any(name.startswith("access-control") for name in answer.headers)
            if method == "OPTIONS":
                assert answer.status_code >= 400


def test_every_answer_says_what_may_run(client):
    for path in ("/", "/api/state", "/static/app.css", "/nowhere", "/static/../app.py"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src 'self';" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in policy
    refused = client.get("/", headers={"host": "evil.example"})
    assert "content-security-policy" in refused.headers


def test_a_header_that_is_sent_twice_is_refused(client):
    twice = [("host", HOST), ("host", HOST), ("authorization", f"Bearer {TOKEN}")]
    assert client.get("/api/state", headers=twice).status_code == 400


@pytest.mark.parametrize(
    "name", ["app.py", "..%2fapp.py", "%2e%2e/app.py", "index.html", "page.html", "%2fetc%2fpasswd"]
)
def test_only_the_files_of_the_page_are_given(client, name):
    assert client.get(f"/static/{name}").status_code == 404


def test_a_request_that_is_too_large_or_no_json_is_refused(client):
    for content in (b"x", b"[1]", b"\xff\xfe", b"[" * 100_000, b'"' + b"x" * 2_100_000 + b'"'):
        answer = client.post("/api/keep", content=content)
        assert answer.status_code == 400
        assert "request:" in answer.json()["error"]


def test_without_a_password_nobody_is_given_the_token(client):
    for password in ("", None, [], TOKEN):
        answer = client.post("/api/login", json={"password": password})
        assert answer.status_code == 403
        assert TOKEN not in answer.text


def test_a_password_opens_a_server_that_others_reach(make_client):
    keys = Keys(TOKEN, PORT, ("localhost", "studio.lan"), True, "a long password")
    client = make_client(keys=keys)
    client.headers["authorization"] = ""
    for host in (f"192.168.0.7:{PORT}", f"studio.lan:{PORT}", f"[fd00::7]:{PORT}"):
        headers = {"host": host}
        assert client.get("/api/state", headers=headers).status_code == 401
        wrong = client.post("/api/login", json={"password": "a long passwore"}, headers=headers)
        assert wrong.status_code == 403
        right = client.post("/api/login", json={"password": "a long password"}, headers=headers)
        assert right.json() == {"token": TOKEN}
    # A name that was not told may be somebody's who has it lead here.
    answer = client.post(
        "/api/login", json={"password": "a long password"}, headers={"host": f"evil.example:{PORT}"}
    )
    assert answer.status_code == 403


def test_passwords_are_not_tried_side_by_side(monkeypatch):
    keys = Keys(TOKEN, PORT, password="right")
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr("uncodec.web.guard.asyncio.sleep", sleep)

    async def tries():
        return await asyncio.gather(*(keys.admit("wrong") for _ in range(5)))

    assert asyncio.run(tries()) == [False] * 5
    assert len(slept) == 5

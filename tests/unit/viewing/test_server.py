"""The server, over plain HTTP: what it sends, and what it refuses."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from streamseg.errors import OutputError
from streamseg.viewing import server as serving
from streamseg.viewing.server import PAGES, Answer, PageServer, as_json, number

from .conftest import ask, post


def endless() -> Iterator[bytes]:
    while True:
        yield bytes(1 << 16)


@pytest.fixture
def asked() -> list[Mapping[str, Any]]:
    return []


@pytest.fixture
def server(asked: list[Mapping[str, Any]]) -> Iterator[PageServer]:
    def note(query: Mapping[str, Any]) -> Answer:
        asked.append(query)
        return as_json({"n": number(query, "n", 0, 9)})

    opened = PageServer("live.html", {"/get": note, "/endless": lambda _: Answer(endless())}, {"/post": note}, port=0)
    yield opened
    opened.close()


def test_it_listens_on_loopback_only(server: PageServer) -> None:
    assert server._http.socket.getsockname() == ("127.0.0.1", server.port)
    others = {one[4][0] for one in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in others:
        if not address.startswith("127."):
            with pytest.raises(OSError):  # noqa: PT011 (refused, or unreachable)
                socket.create_connection((address, server.port), timeout=2)


def test_every_page_and_module_is_sent(server: PageServer) -> None:
    assert ask(server.port, "/").body == (PAGES / "live.html").read_bytes()
    for path in PAGES.iterdir():
        found = ask(server.port, f"/{path.name}")
        if path.suffix != ".html":
            assert (found.status, found.body) == (200, path.read_bytes())
            assert found.headers["Content-Type"].startswith(serving.TYPES[path.suffix])


def test_nothing_from_outside_may_load(server: PageServer) -> None:
    for path in ("/", "/style.css", "/get?n=1", "/nowhere"):
        headers = ask(server.port, path).headers
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert policy.pop("default-src") == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        sources = {source for part in policy.values() for source in part.split()}
        assert sources <= {"'self'", "'none'", "blob:"}
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
    for path in PAGES.iterdir():
        assert "://" not in path.read_text().replace("http://www.w3.org/2000/svg", ""), path.name
        assert "innerHTML" not in path.read_text()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "192.168.0.1", "", "@"]
)
def test_a_strangers_host_is_refused(host: str, server: PageServer, asked: list[Any]) -> None:
    for path in ("/", "/get?n=1"):
        assert ask(server.port, path, Host=host).status == 421
    assert post(server.port, "/post", {"n": 1}, Host=host, Origin=f"http://{host}").status == 421
    assert not asked


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9000", "localhost:1", "[::1]:8765"])
def test_this_machine_and_a_tunnels_end_are_served(host: str, server: PageServer) -> None:
    assert ask(server.port, "/get?n=3", Host=host).json == {"n": 3}


def test_no_host_or_two_are_refused(server: PageServer) -> None:
    for head in (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
            client.sendall(head)
            assert client.recv(100).startswith(b"HTTP/1.1 421 ")


def test_a_post_from_another_page_is_refused(server: PageServer, asked: list[Any]) -> None:
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{server.port}"},  # another origin, to a browser
        {"Content_Type": "text/plain"},  # what a form can send without being asked
    ):
        assert post(server.port, "/post", {"n": 1}, **headers).status in (400, 403)
    assert ask(server.port, "/post", "POST", b'{"n": 1}', Content_Type="application/json").status == 403
    assert not asked
    assert post(server.port, "/post", {"n": 1}).json == {"n": 1}


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"{", b'{"n": 10}', b'{"n": true}', b'{"n": "x"}', b"{" * 5000, b"[" * 4000]
)
def test_what_is_no_wish_is_refused(body: bytes, server: PageServer) -> None:
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Content_Type": "application/json"}
    assert ask(server.port, "/post", "POST", body, **own).status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/%2e%2e/server.py",
        "//etc/passwd",
        "/pages/../server.py",
        "/live.html",
        "/.",
        "/..%5cserver.py",
    ],
)
def test_only_what_is_listed_leaves_the_disk(path: str, server: PageServer) -> None:
    found = ask(server.port, path)
    assert found.status == 404
    assert found.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_refusal_repeats_nothing_of_the_request(server: PageServer) -> None:
    for path in ("/<script>alert(1)</script>", "/get?n=<script>"):
        found = ask(server.port, path)
        assert found.status in (400, 404)
        assert b"<script>" not in found.body


def test_a_taken_port_is_told(server: PageServer) -> None:
    with pytest.raises(OutputError, match=str(server.port)) as caught:
        PageServer("live.html", {}, port=server.port)
    assert "--port" in caught.value.hint


def test_without_a_port_the_next_free_one_is_taken(monkeypatch: pytest.MonkeyPatch, server: PageServer) -> None:
    monkeypatch.setattr(serving, "PORT", server.port)
    second = PageServer("live.html", {})
    assert server.port < second.port < server.port + serving.PORTS
    second.close()


def test_it_ends_at_once_with_clients_that_take_nothing(server: PageServer) -> None:
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(3)]
    clients[0].sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")  # and reads nothing of it
    clients[1].sendall(b"GET /get")  # and never ends
    assert ask(server.port, "/get?n=1").status == 200
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)
    server.close()
    for client in clients:
        client.close()


def test_a_stalled_client_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "SECONDS", 0.3)
    server = PageServer("live.html", {"/endless": lambda _: Answer(endless())}, port=0)
    before = set(threading.enumerate())  # those of other tests may still be ending
    client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    client.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
    client.recv(100)
    (serves,) = set(threading.enumerate()) - before
    serves.join(5)
    assert not serves.is_alive()
    client.close()
    server.close()


def test_connections_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "CONNECTIONS", 2)
    server = PageServer("live.html", {}, port=0)
    idle = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(2)]
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as third:
        assert third.recv(10) == b""
    for client in idle:
        client.close()
    for _ in range(100):
        try:
            assert ask(server.port, "/style.css").status == 200
            break
        except (ConnectionError, OSError):
            time.sleep(0.05)
    else:
        raise AssertionError("no connection became free")
    server.close()

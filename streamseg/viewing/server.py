"""HTTP for one person on this machine: the loopback address, a table of routes, and nothing else.

A page of a stranger, open in the same browser, must get nothing and change nothing. So the Host header has to name this
machine (a stranger's name may lead to 127.0.0.1: "DNS rebinding"), a POST has to come from a page of ours, and no page
may embed what is sent. Files are sent by name from a fixed list: no path of a request ever reaches the disk.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from streamseg.errors import OutputError
from streamseg.text import to_json

LOOPBACK = "127.0.0.1"
NAMES = frozenset((LOOPBACK, "localhost", "::1"))
"""What a Host header may say, with any port: a tunnel (ssh -L) has one of its own."""
PORT, PORTS = 8765, 20
"""Where a server listens that was given no port: the first of so many that is free."""
SECONDS = 10
"""A client that takes nothing, or asks nothing, for so long is left."""
CONNECTIONS = 64
"""At once; further ones are refused."""
LARGEST = 4096
"""Bytes of a request's body."""
PAGES = Path(__file__).parent / "pages"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Answer(NamedTuple):
    """body: bytes; or parts, sent one by one until they end or the client goes. type: its Content-Type."""

    body: bytes | Iterable[bytes]
    type: str = "application/octet-stream"
    status: HTTPStatus = HTTPStatus.OK


Route = Callable[[Mapping[str, Any]], Answer]
"""Takes a request's query, or the JSON object of its body. Raises `Refused`."""


class Refused(Exception):
    """A request that cannot be met; the message is for people."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


def as_json(content: object) -> Answer:
    """An answer in JSON."""
    return Answer(to_json(content), "application/json")


def number(query: Mapping[str, Any], name: str, low: int, high: int, default: int | None = None) -> int:
    """A whole number of a request, `low` to `high`. Raises Refused."""
    given = query.get(name, default)
    try:
        value = int(given) if not isinstance(given, bool | float) else None
    except (TypeError, ValueError):
        value = None
    if value is None or not low <= value <= high:
        raise Refused(f"{name} is a whole number from {low} to {high}")
    return value


class PageServer:
    """Serves `page` of `PAGES` at /, and the other files there, and `routes`; in threads, until `close`.

    gets, posts: routes by path. others: pages beside it, under their own names. port: 0 = any that is free, None = PORT
    or the next that is free.
    Raises OutputError where the port is taken. url: where to look.
    """

    def __init__(
        self,
        page: str,
        gets: Mapping[str, Route],
        posts: Mapping[str, Route] | None = None,
        port: int | None = None,
        others: Iterable[str] = (),
    ) -> None:
        files = {f"/{path.name}": path for path in PAGES.iterdir() if path.suffix in TYPES and path.suffix != ".html"}
        files |= {"/": PAGES / page} | {f"/{other}": PAGES / other for other in others}
        self._http = _listening(port, _handler(files, gets, posts or {}))
        self.port = int(self._http.server_address[1])
        self.url = f"http://{LOOPBACK}:{self.port}/"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="pages", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, at once; connections that are open go with their threads. May be called twice."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # nobody waits for a browser
    block_on_close = False
    request_queue_size = 32

    def __init__(self, *args: Any) -> None:
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(*args)

    def server_bind(self) -> None:
        self.allow_reuse_address = True
        super(ThreadingHTTPServer, self).server_bind()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes, or takes nothing, is no error of ours."""


def _listening(port: int | None, handler: type[BaseHTTPRequestHandler]) -> _Server:
    wanted = range(PORT, PORT + PORTS) if port is None else [port]
    for one in wanted:
        try:
            return _Server((LOOPBACK, one), handler)
        except OSError as problem:
            if problem.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            reason = problem.strerror
    ports = f"{PORT} to {PORT + PORTS - 1}" if port is None else str(port)
    raise OutputError(f"port {ports} of {LOOPBACK} cannot be used: {reason}", "give another one: --port N, 0 = any")


def _handler(files: Mapping[str, Path], gets: Mapping[str, Route], posts: Mapping[str, Route]) -> Any:
    class Handler(BaseHTTPRequestHandler):
        protocol_version, timeout = "HTTP/1.1", SECONDS
        server_version, sys_version = "streamseg", ""

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if address.path in files:
                path = files[address.path]
                self._answered(lambda: Answer(path.read_bytes(), f"{TYPES[path.suffix]}; charset=utf-8"))
            else:
                self._routed(gets, address.path, lambda: dict(parse_qsl(address.query)))

        def do_POST(self) -> None:
            self._routed(posts, self.path, lambda: posted(self))

        def _routed(self, routes: Mapping[str, Route], path: str, read: Callable[[], Mapping[str, Any]]) -> None:
            route = routes.get(path, _unknown)
            self._answered(lambda: route(read()))

        def _answered(self, work: Callable[[], Answer]) -> None:
            try:
                _require_own(self.headers.get_all("Host", []))
                answer = work()
            except Refused as problem:
                self.close_connection = True  # a body may be left unread
                answer = Answer(str(problem).encode(), "text/plain; charset=utf-8", problem.status)
            self._send(answer)

        def _send(self, answer: Answer) -> None:
            whole = isinstance(answer.body, bytes)
            self.send_response(answer.status)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", answer.type)
            if isinstance(answer.body, bytes):
                self.send_header("Content-Length", str(len(answer.body)))
            else:
                self.close_connection = True
            self.end_headers()
            for part in [answer.body] if whole else answer.body:
                self.wfile.write(part)  # type: ignore[arg-type]

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: stderr belongs to the run."""

    return Handler


def _require_own(hosts: list[str]) -> None:
    """Raise Refused where the Host header is not this machine's."""
    if len(hosts) != 1 or urlsplit(f"//{hosts[0]}").hostname not in NAMES:
        raise Refused("this server answers to localhost only", HTTPStatus.MISDIRECTED_REQUEST)


def posted(request: BaseHTTPRequestHandler) -> dict[str, Any]:
    """The JSON object of a POST from a page of ours. Raises Refused."""
    import json

    headers = request.headers
    if headers.get("Origin", "") != f"http://{headers['Host']}":
        raise Refused("only a page of this server may ask for that", HTTPStatus.FORBIDDEN)
    length = headers.get("Content-Length", "")
    if headers.get_content_type() != "application/json" or not length.isdecimal() or int(length) > LARGEST:
        raise Refused("a small JSON object is wanted")
    try:
        content = json.loads(request.rfile.read(int(length)))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise Refused("a JSON object is wanted")
    return content


def _unknown(_query: Mapping[str, Any]) -> Answer:
    raise Refused("there is nothing here", HTTPStatus.NOT_FOUND)

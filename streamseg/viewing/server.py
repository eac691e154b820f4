"""An HTTP server for one user on this machine: the loopback address, a table of routes, and nothing else.

A page of another site, open in the same browser, must not read or change anything. So the Host header must name this
machine (another name may resolve to 127.0.0.1: "DNS rebinding"), a POST must come from a page of this server, and no
other page may embed an answer. Files are sent by name from a fixed list: no path of a request is used on the disk.
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
"""Allowed names in a Host header, with any port, because a tunnel (ssh -L) has another one."""
PORT, PORTS = 8765, 20
"""Without a given port, the server uses the first free one of PORT ... PORT + PORTS - 1."""
SECONDS = 10
"""A connection is closed if its client neither sends nor receives for so long."""
CONNECTIONS = 64
"""The most connections at a time; further ones are refused."""
MAX_BODY = 4096
"""The most bytes in the body of a request."""
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
    """The answer to a request. body: bytes, or parts, which are sent one by one until they end or the client
    disconnects. type: the Content-Type."""

    body: bytes | Iterable[bytes]
    type: str = "application/octet-stream"
    status: HTTPStatus = HTTPStatus.OK


Route = Callable[[Mapping[str, Any]], Answer]
"""Answers a request from its query, or from the JSON object in its body. Raises `Refused`."""


class Refused(Exception):
    """Raised if a request is refused. The message is shown to the user."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


def as_json(content: object) -> Answer:
    """Return an answer in JSON."""
    return Answer(to_json(content), "application/json")


def number(query: Mapping[str, Any], name: str, low: int, high: int, default: int | None = None) -> int:
    """Return an integer parameter of a request, `low` to `high`. Raises Refused."""
    given = query.get(name, default)
    try:
        value = int(given) if not isinstance(given, bool | float) else None
    except (TypeError, ValueError):
        value = None
    if value is None or not low <= value <= high:
        raise Refused(f"{name} is a whole number from {low} to {high}")
    return value


class PageServer:
    """Serves a page at /, and the scripts and styles of PAGES, in threads, until `close`.

    page: name of an HTML file in PAGES. others: further HTML files, served under their names. gets, posts: routes by
    path. port: 0 = any free one, None = PORT or the next free one. url: address of the page.
    Raises OutputError if the port is in use.
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
        """Stop listening at once. Open connections end with their threads. May be called twice."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # so that no open connection delays the exit
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
        """Do nothing: the only errors are those of clients that disconnect."""


def _listening(port: int | None, handler: type[BaseHTTPRequestHandler]) -> _Server:
    """Return a server that listens. port: see `PageServer`. Raises OutputError if the port is in use."""
    candidates = range(PORT, PORT + PORTS) if port is None else [port]
    for candidate in candidates:
        try:
            return _Server((LOOPBACK, candidate), handler)
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
                self._answer(lambda: Answer(path.read_bytes(), f"{TYPES[path.suffix]}; charset=utf-8"))
            else:
                self._route(gets, address.path, lambda: dict(parse_qsl(address.query)))

        def do_POST(self) -> None:
            self._route(posts, self.path, lambda: read_body(self))

        def _route(self, routes: Mapping[str, Route], path: str, read: Callable[[], Mapping[str, Any]]) -> None:
            route = routes.get(path, _unknown)
            self._answer(lambda: route(read()))

        def _answer(self, make_answer: Callable[[], Answer]) -> None:
            try:
                _require_local(self.headers.get_all("Host", []))
                answer = make_answer()
            except Refused as problem:
                self.close_connection = True  # because a body may be unread
                answer = Answer(str(problem).encode(), "text/plain; charset=utf-8", problem.status)
            self._send(answer)

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", answer.type)
            if isinstance(answer.body, bytes):
                parts: Iterable[bytes] = [answer.body]
                self.send_header("Content-Length", str(len(answer.body)))
            else:
                parts = answer.body
                self.close_connection = True
            self.end_headers()
            for part in parts:
                self.wfile.write(part)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing, because the run uses stderr."""

    return Handler


def _require_local(hosts: list[str]) -> None:
    """Raise Refused unless the only Host header names this machine."""
    if len(hosts) != 1 or urlsplit(f"//{hosts[0]}").hostname not in NAMES:
        raise Refused("this server answers to localhost only", HTTPStatus.MISDIRECTED_REQUEST)


def read_body(request: BaseHTTPRequestHandler) -> dict[str, Any]:
    """Return the JSON object in a POST from a page of this server. Raises Refused."""
    import json

    headers = request.headers
    if headers.get("Origin", "") != f"http://{headers['Host']}":
        raise Refused("only a page of this server may ask for that", HTTPStatus.FORBIDDEN)
    length = headers.get("Content-Length", "")
    if headers.get_content_type() != "application/json" or not length.isdecimal() or int(length) > MAX_BODY:
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

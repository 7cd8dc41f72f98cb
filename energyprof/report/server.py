"""A folder of runs over HTTP, for this machine only: read-only, on the loopback interface, for known hosts.

A page of another site could reach a server on this machine through the reader's browser. It is kept out three
times: its requests carry another ``Host`` (also where its name is rebound to 127.0.0.1), what it embeds is
refused by ``Cross-Origin-Resource-Policy``, and what it frames by ``frame-ancestors``.
"""

from __future__ import annotations

import shutil
import socketserver
import sys
from collections.abc import Callable, Collection
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from energyprof.errors import EnergyprofError, UsageError
from energyprof.report.page import CONTENT_POLICY
from energyprof.report.served_folder import ServedFolder

__all__ = ["LOOPBACK", "ReportServer"]

LOOPBACK: Final = "127.0.0.1"
_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")  # any port: a tunnel may end at another one
_HEADERS: Final = {
    "Content-Security-Policy": f"{CONTENT_POLICY}; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_METHODS: Final = "GET, HEAD"


class ReportServer(ThreadingHTTPServer):
    """Serves a folder of runs on the loopback interface; ``serve_forever()`` until it is interrupted.

    Args:
        out: the folder of all runs.
        port: 0 for a free one.
        promoted: returns the ids of runs that stand in a baseline.

    Raises:
        UsageError: there is no such folder, or the port cannot be had.
    """

    def __init__(self, out: Path, port: int = 0, promoted: Callable[[], Collection[str]] = frozenset) -> None:
        if not out.is_dir():
            raise UsageError(f"no folder '{out}': make a run first, or name the folder of runs with --out")
        self.folder = ServedFolder(out, promoted)
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise UsageError(
                f"cannot listen on {LOOPBACK}:{port}: {error.strerror}; --port 0 takes a free one"
            ) from error

    def server_bind(self) -> None:
        """Bind without asking any name server what this machine is called, as the base class does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    @property
    def url(self) -> str:
        """Return where the index is."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a reader who went away; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ReportServer
    server_version, sys_version = "energyprof", ""
    timeout = 30  # seconds for a request to arrive

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if not self._is_for_us():
            return self._say(HTTPStatus.MISDIRECTED_REQUEST, f"This server is {self.server.url} only.")
        try:
            document = self.server.folder.find(self.path)
        except EnergyprofError as error:
            return self._say(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        if document is None:
            return self._say(HTTPStatus.NOT_FOUND, f"No such report. All runs: {self.server.url}")
        with document.stream as stream:
            self._begin(HTTPStatus.OK, document.media_type, document.size)
            if self.command != "HEAD":
                shutil.copyfileobj(stream, self.wfile)
        return None

    def _is_for_us(self) -> bool:
        hosts = self.headers.get_all("Host", [])
        name, colon, port = hosts[0].strip().lower().rpartition(":") if len(hosts) == 1 else ("", "", "")
        return (name if colon and port.isdecimal() else f"{name}{colon}{port}") in _HOSTS

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what cannot be served in plain text; an unknown method is one that is not allowed."""
        known = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        self._say(known, f"{known.phrase}.")

    def _say(self, status: HTTPStatus, text: str) -> None:
        body = f"{text}\n".encode()
        self.close_connection = True
        self._begin(status, "text/plain; charset=utf-8", len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _begin(self, status: HTTPStatus, media_type: str, size: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(size))
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", _METHODS)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing of each request: the terminal belongs to who started the server."""

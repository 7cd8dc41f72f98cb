from __future__ import annotations

import http.client
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energyprof.errors import ConfigError, UsageError
from energyprof.record.model import Report
from energyprof.record.schema import write_report
from energyprof.record.trace import Trace
from energyprof.report.compare import render_comparison
from energyprof.report.page import CONTENT_POLICY
from energyprof.report.run import render_run
from energyprof.report.served_folder import ServedFolder
from energyprof.report.server import LOOPBACK, ReportServer

Runs = dict[str, tuple[Report, Trace]]
SECRET = "what nobody outside may read"


@pytest.fixture
def folder(tmp_path: Path, runs: Runs, studied: list[Report]) -> Path:
    """A folder with one whole run, a comparison, and much that is nobody's business."""
    from energyprof.analysis.comparison import compare

    (tmp_path / "secret.html").write_text(SECRET)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "report.html").write_text(SECRET)
    out = tmp_path / "reports"
    add_run(out / "2026-run é", *runs["cpu"])
    (out / "compare.html").write_text(render_comparison(compare(studied)), "utf-8")
    (out / "other.html").write_text(SECRET)
    (out / "notes.txt").write_text(SECRET)
    (out / ".hidden.html").write_text(SECRET)
    (out / "2026-run é" / "model.pt").write_text(SECRET)
    (out / "2026-run é" / "steps.arrow").write_bytes(b"\0" * 300_000)
    return out


def add_run(folder: Path, report: Report, trace: Trace | None) -> None:
    folder.mkdir(parents=True)
    write_report(report, folder / "report.json")
    (folder / "report.html").write_text(render_run(report, trace), "utf-8")


@pytest.fixture
def serve() -> Iterator[Callable[..., ReportServer]]:
    """Start servers on free ports, and stop them."""
    started: list[tuple[ReportServer, threading.Thread]] = []

    def start(*arguments: object, **named: object) -> ReportServer:
        server = ReportServer(*arguments, **named)  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server(folder: Path, serve: Callable[..., ReportServer]) -> ReportServer:
    """A server of the folder."""
    return serve(folder)


class Answer:
    """A response, read to its end."""

    def __init__(self, server: ReportServer, target: str, method: str = "GET", *hosts: str) -> None:
        connection = http.client.HTTPConnection(LOOPBACK, server.server_port, timeout=10)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for host in hosts or (f"{LOOPBACK}:{server.server_port}",):
            connection.putheader("Host", host)
        connection.endheaders()
        response = connection.getresponse()
        self.status, self.headers, self.body = response.status, response.headers, response.read()
        connection.close()


def raw(server: ReportServer, request: bytes) -> bytes:
    """Send bytes and return all that comes back."""
    with socket.create_connection((LOOPBACK, server.server_port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_the_index_its_runs_and_their_files_are_served(server: ReportServer, folder: Path) -> None:
    run = quote("2026-run é")
    expected = {
        "/": "text/html; charset=utf-8",
        "/index.html": "text/html; charset=utf-8",
        "/index.html?a=..%2f": "text/html; charset=utf-8",
        "/compare.html": "text/html; charset=utf-8",
        f"/{run}/report.html": "text/html; charset=utf-8",
        f"/{run}/report.json": "application/json",
        f"/{run}/steps.arrow": "application/vnd.apache.arrow.stream",
    }
    for target, media_type in expected.items():
        answer = Answer(server, target)
        assert (answer.status, answer.headers["Content-Type"]) == (200, media_type), target
        assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert Answer(server, f"/{run}/report.html").body == (folder / "2026-run é" / "report.html").read_bytes()
    assert f"{run}/report.html".encode() in Answer(server, "/").body


def test_every_answer_carries_the_strict_headers(server: ReportServer) -> None:
    for target, method in (("/", "GET"), ("/nothing", "GET"), ("/", "POST")):
        headers = Answer(server, target, method).headers
        assert headers["Content-Security-Policy"] == f"{CONTENT_POLICY}; frame-ancestors 'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Python" not in headers["Server"]


def test_head_gives_the_headers_of_get_and_no_body(server: ReportServer) -> None:
    head, get = Answer(server, "/", "HEAD"), Answer(server, "/")
    assert head.status == 200
    assert head.body == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "MKCOL"])
def test_nothing_can_be_written(server: ReportServer, folder: Path, method: str) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("*"))
    answer = Answer(server, "/index.html", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert Answer(server, "/").status == 200
    assert sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("*")) == before


ESCAPES = [
    "/../secret.html",
    "/%2e%2e/secret.html",
    "/%2e%2e%2fsecret.html",
    "/..%5csecret.html",
    "/%252e%252e/secret.html",
    "/....//secret.html",
    "//secret.html",
    "///etc/passwd",
    "/./other.html",
    "/2026-run%20%C3%A9/../other.html",
    "/2026-run%20%C3%A9/%2e%2e/notes.txt",
    "/2026-run%20%C3%A9%2freport.html",
    "/2026-run%20%C3%A9/report.html%00.txt",
    "/2026-run%20%C3%A9/report.html/",
    "/2026-run%20%C3%A9//report.html",
    "/2026-run%20%C3%A9/",
    "/2026-run%20%C3%A9",
    "/2026-run%20%C3%A9/model.pt",
    "/outside/report.html",
    "/../outside/report.html",
    "/notes.txt",
    "/other.html",
    "/.hidden.html",
    "/%ff%fe",
    "/%",
    "/file:///etc/passwd",
    "/" + "a" * 5000,
]


@pytest.mark.parametrize("target", ESCAPES)
def test_what_is_no_report_is_not_found(server: ReportServer, target: str) -> None:
    answer = Answer(server, target)
    assert answer.status == 404
    assert SECRET.encode() not in answer.body


@pytest.mark.parametrize("target", ["http://127.0.0.1/index.html", "*", "index.html", "\\index.html"])
def test_a_target_that_is_no_path_is_not_found(server: ReportServer, target: str) -> None:
    assert Answer(server, target).status == 404


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    target=st.lists(
        st.sampled_from(
            ["/", "..", ".", "%2e", "%2f", "\\", "secret.html", "outside", "report.html", "\0", "x"]
        )
    ).map("".join)
)
def test_no_address_leads_out_of_the_folder(folder: Path, target: str) -> None:
    document = ServedFolder(folder).find("/" + target)
    if document is not None:
        with document.stream as stream:
            assert SECRET.encode() not in stream.read()


def test_a_link_that_leads_out_is_not_followed(
    folder: Path, tmp_path: Path, serve: Callable[..., ReportServer]
) -> None:
    (folder / "2026-run é" / "report.html").unlink()
    (folder / "2026-run é" / "report.html").symlink_to(tmp_path / "secret.html")
    (folder / "linked").symlink_to(tmp_path / "outside")
    (tmp_path / "outside" / "report.json").write_text(SECRET)
    (folder / "page.html").symlink_to(folder / "compare.html")
    server = serve(folder)
    assert Answer(server, f"/{quote('2026-run é')}/report.html").status == 404
    assert Answer(server, "/linked/report.html").status == 404
    index = Answer(server, "/").body.decode()
    assert "a link that leads out of this folder" in index
    assert SECRET not in index
    assert f"{quote('2026-run é')}/report.html" not in index
    assert Answer(server, "/page.html").status == 200


def test_what_is_no_plain_file_does_not_hang_the_server(server: ReportServer, folder: Path) -> None:
    os.mkfifo(folder / "2026-run é" / "samples.arrow")
    (folder / "2026-run é" / "metrics.arrow").mkdir()
    for name in ("samples.arrow", "metrics.arrow"):
        assert Answer(server, f"/{quote('2026-run é')}/{name}").status == 404


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST:9000", "127.0.0.1:1", "[::1]:8000", "[::1]"]
)
def test_names_of_this_machine_are_answered_whatever_the_port_of_a_tunnel(
    server: ReportServer, host: str
) -> None:
    assert Answer(server, "/", "GET", host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.",
        "127.0.0.1:80:80",
        "",
        ":80",
        "[::2]",
    ],
)
def test_another_host_is_refused(server: ReportServer, host: str) -> None:
    answer = Answer(server, "/", "GET", host)
    assert answer.status == 421
    assert b"<html" not in answer.body


def test_two_hosts_or_none_are_refused(server: ReportServer) -> None:
    assert Answer(server, "/", "GET", "localhost", "evil.example").status == 421
    assert b" 421 " in raw(server, b"GET / HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
        b"",
    ],
)
def test_a_malformed_request_shows_nothing_and_stops_nothing(
    server: ReportServer, request_bytes: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    assert b"<html" not in raw(server, request_bytes)
    assert Answer(server, "/").status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_reader_who_goes_away_leaves_no_trace(
    server: ReportServer, capfd: pytest.CaptureFixture[str]
) -> None:
    request = f"GET /{quote('2026-run é')}/steps.arrow HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with socket.create_connection((LOOPBACK, server.server_port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(request)
    assert Answer(server, "/").status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_only_the_loopback_interface_is_listened_on(server: ReportServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/"


def test_the_index_follows_the_runs(server: ReportServer, folder: Path, runs: Runs) -> None:
    assert b"2027-new" not in Answer(server, "/").body
    add_run(folder / "2027-new", *runs["one-step"])
    assert b"2027-new/report.html" in Answer(server, "/").body
    (folder / "2027-new" / "report.json").write_text("{")
    assert b"is not whole JSON" in Answer(server, "/").body
    for file in (folder / "2027-new").iterdir():
        file.unlink()
    (folder / "2027-new").rmdir()
    assert b"2027-new" not in Answer(server, "/").body


def test_the_index_is_made_once_while_nothing_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import energyprof.report.index as index

    made: list[int] = []
    render = index.render_index
    monkeypatch.setattr(index, "render_index", lambda *a: made.append(1) or render(*a))
    served = ServedFolder(folder)
    assert served.index() == served.index()
    assert len(made) == 1


def test_a_budget_file_that_cannot_be_meant_is_one_line(
    folder: Path, serve: Callable[..., ReportServer]
) -> None:
    def promoted() -> list[str]:
        raise ConfigError("energyprof.toml:3: unknown key 'max'")

    answer = Answer(serve(folder, promoted=promoted), "/")
    assert (answer.status, answer.body) == (500, b"energyprof.toml:3: unknown key 'max'\n")


def test_a_taken_port_and_a_missing_folder_are_one_line(server: ReportServer, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot listen on 127\.0\.0\.1:\d+: .* --port 0 takes a free one"):
        ReportServer(folder, server.server_port)
    with pytest.raises(UsageError, match="no folder"):
        ReportServer(folder / "nowhere")

"""The clouds' own HTTP APIs under one loopback address, `http://ADDRESS:PORT/CLOUD/...`: a process of its own."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

from tests.simulator import addresses, boot_queue, machines, settings
from tests.simulator.cloud_side import CloudSide, Failed, open_cloud
from tests.simulator.member import Answered, Asked, Refused

_STATUS = {"throttled": 429, "capacity": 503, "quota": 403, "credentials_expired": 401, "not_found_yet": 404, "internal": 500}
_PORT = 7780
_WATCH_S = 1.0


class Server(ThreadingHTTPServer):
    """Serves the clouds of one simulator."""

    daemon_threads = True

    def __init__(self, directory: Path, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        super().__init__(address, _Handler)
        self.clouds = {cloud: open_cloud(directory, cloud) for cloud in settings.read(directory).clouds}

    @property
    def url(self) -> str:
        """Where it is reached, without a slash at the end; a cloud's own is below it, by its name."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"


def answer(cloud: CloudSide, asked: Asked) -> Answered:
    """What the cloud answers; one that is to fail says so in the shape that the client library of its cloud reads."""
    try:
        return cloud.member.api(cloud.table_of_api(asked.path), asked)
    except Failed as error:
        return _error(_STATUS[error.failure], error.text, asked)
    except Refused as error:
        return _error(400, str(error), asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        _, name, rest = f"{parts.path}/".split("/", 2)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(
            method=self.command,
            path=f"/{rest[:-1]}",
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={key.lower(): value for key, value in self.headers.items()},
            body=body,
        )
        assert isinstance(self.server, Server)
        if name in self.server.clouds:
            self._send(_safely(self.server.clouds[name], asked))
        else:
            self._send(_error(404, f"no simulated cloud is called {name!r}", asked))

    def _send(self, answered: Answered) -> None:
        self.send_response(answered.status)
        self.send_header("Content-Type", answered.content_type)
        self.send_header("Content-Length", str(len(answered.body)))
        for key, value in answered.headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answered.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names are the base class's


def _safely(cloud: CloudSide, asked: Asked) -> Answered:
    try:
        return answer(cloud, asked)
    except Exception:  # noqa: BLE001 - a mistake of the simulator's own: say where, and go on serving
        text = traceback.format_exc()
        sys.stderr.write(text)
        return _error(500, f"the simulator itself failed: {text}", asked)


def _error(status: int, text: str, asked: Asked) -> Answered:
    """Query APIs (AWS) answer in XML; the JSON has the names of all others at once, each client reads its own."""
    told = re.match(r"\s*(\w+)\b", text)
    code = told[1] if told else "error"
    if asked.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        body = f"<Response><Errors><Error><Code>{code}</Code><Message>{escape(text)}</Message></Error></Errors></Response>"
        return Answered(status=status, body=body.encode(), content_type="text/xml")
    error = {"code": code, "status": code, "message": text}
    return Answered(status=status, body=json.dumps({"error": error, "id": code, "message": text}).encode())


def _watch(directory: Path, clouds: dict[str, CloudSide]) -> None:
    """VMs boot in turn, those that ended by themselves are noticed; and a directory that is gone has no simulator."""
    while not _STOP.wait(_WATCH_S):
        if not (directory / "settings.json").exists():
            os._exit(0)
        try:
            boot_queue.advance(directory)
        except Exception:  # noqa: BLE001 - it is looked again in a second
            sys.stderr.write(traceback.format_exc())
        for cloud in clouds.values():
            try:
                machines.notice_ended(directory, cloud.member, cloud.table)
            except Exception:  # noqa: BLE001 - it is looked again in a second
                sys.stderr.write(traceback.format_exc())


_STOP = threading.Event()


def _listen(directory: Path) -> Server:
    """At the first address that no other simulator has. It makes the share of addresses ours, for as long as we live."""
    for second, address in addresses.shares():
        try:
            server = Server(directory, (address, _PORT))
        except OSError:
            continue
        addresses.take(directory, second)
        return server
    sys.exit("every share of loopback addresses is taken: stop another simulator, python -m tests.simulator stop DIR")


def main(directory: Path) -> None:
    """Serve until killed. The URL is in `url` of the directory once requests are answered."""
    server = _listen(directory)
    threading.Thread(target=_watch, args=(directory, server.clouds), daemon=True).start()
    draft = directory / "url.draft"
    draft.write_text(server.url)
    draft.replace(directory / "url")
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

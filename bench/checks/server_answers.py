"""Does every endpoint answer HTTP at all? Any answer below 500 will do: S3 servers refuse a request without a signature."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.check import Check, Evidence
from bench.records import Finding

if TYPE_CHECKING:
    from bench.records import Target

_TIMEOUT_S = 5.0
_SLOWER = 4
"""How much longer an emulated host may take: each of its instructions is translated in software."""
_AT_ONCE = 16
_SERVER_ERROR = 500


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    # One that lets only load generators in cannot be asked from here: their first trial says whether it answers them.
    targets = [target for target in evidence.targets if target.endpoint or not target.private_endpoint]
    # Side by side: a hundred dead targets are then known within a minute.
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        problems = list(pool.map(lambda target: _problem(target.endpoint, _patience_s(target)), targets))
    return tuple(_silent(target, problem) for target, problem in zip(targets, problems, strict=True) if problem)


def _patience_s(target: Target) -> float:
    return _TIMEOUT_S * (_SLOWER if target.host.emulated else 1)


def _problem(endpoint: str, timeout_s: float) -> str:
    """What is wrong with the endpoint, in words; empty when it answers."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return f"is not an address ({error})"
    if parts.scheme not in {"http", "https"} or not host:
        return "is not an http or https address"
    connection = (HTTPSConnection if parts.scheme == "https" else HTTPConnection)(host, port, timeout=timeout_s)
    try:
        connection.request("GET", "/")
        status = connection.getresponse().status
    except TimeoutError:
        return f"does not answer within {timeout_s:g} s"
    except (OSError, HTTPException) as error:
        return f"does not answer ({str(error) or type(error).__name__})"
    finally:
        connection.close()
    return f"answers with status {status}" if status >= _SERVER_ERROR else ""


def _silent(target: Target, problem: str) -> Finding:
    return Finding(
        check="server_answers",
        level="error",
        cell=target.cell.name,
        text=f"{target.endpoint} of server {target.server.name} {problem}",
        fix=f"read the container's log (docker -H {target.engine_url} logs {target.server.container_id[:12]}), then up again",
    )


CHECK = Check(name="server_answers", when="before", look=_look)

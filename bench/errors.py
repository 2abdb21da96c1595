"""What can go wrong: for the person (exceptions with an exit code) and for an op (a `Failure` in its sample).

    CowbenchError            one clear error: what, where, what to do next
    ├── InputError           2   bad input; nothing was created
    ├── DeployError          3   could not deploy or reach
    └── Interrupted        130   stopped by the user, and cleaned up

    Failure                  layer/kind/code, as a sample carries it
    ├── client               credentials, parameters, limit, unexpected: the op did not get as far as the network
    ├── network              dns, refused, reset, closed, unreachable
    ├── timeout              connect, read, write, total
    ├── tls                  certificate, handshake
    ├── http, s3             throttled, denied, not_found, full, redirected, malformed, invalid, internal
    └── integrity            wrong_size, wrong_digest, wrong_listing: the server answered well, but not with what was stored

A failure is `http` where the status is all there is, `s3` where the server's body names a code.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Layer = Literal["client", "network", "timeout", "tls", "http", "s3", "integrity"]


class CowbenchError(Exception):
    """One clear error. `str()` gives what, where and the next step on lines of their own."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        step = f"\n  next: {self.next_step}" if self.next_step else ""
        return f"{place}{self.what}{step}"


class InputError(CowbenchError):
    """Bad input: a file, an option, a name. Nothing was created."""

    exit_code = 2


class DeployError(CowbenchError):
    """A cell could not be deployed, or a target not be reached."""

    exit_code = 3


class SilentHostError(DeployError):
    """A host gives no answer at all, so it may be gone; one that answers, and is not well, is another matter."""


class Interrupted(CowbenchError):  # noqa: N818 - not an error of anybody: the user stopped the work
    """The user stopped the work; what was measured is kept."""

    exit_code = 130


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an op failed. `str()` is the text of a sample's `error`: a small set of words, never a key, an id or an address."""

    layer: Layer
    kind: str
    code: str

    def __str__(self) -> str:
        return f"{self.layer}/{self.kind}/{self.code}"


def classify(error: BaseException) -> Failure:
    """The failure behind an exception of an S3 client, found in it or in what it wraps.

    Classes are known by name, so nothing of botocore, urllib3 or gevent is imported here. The outermost telling exception
    wins: a read timeout wraps a bare socket timeout, and only the outer one says in which phase it was.
    """
    chain = tuple(_chain(error))
    for link in chain:
        if (response := getattr(link, "response", None)) and isinstance(response, dict):
            return _answered(response)
    for wrappers_too in (False, True):
        for link in chain:
            if place := _place(link, wrappers_too=wrappers_too):
                return Failure(*place, code=_code(link))
    return Failure("client", "unexpected", _word(type(error).__name__))


_TELLING: dict[str, tuple[Layer, str]] = {
    "botocore.exceptions.ConnectTimeoutError": ("timeout", "connect"),
    "botocore.exceptions.IncompleteReadError": ("network", "closed"),
    "botocore.exceptions.NoCredentialsError": ("client", "credentials"),
    "botocore.exceptions.ParamValidationError": ("client", "parameters"),
    "botocore.exceptions.PartialCredentialsError": ("client", "credentials"),
    "botocore.exceptions.ReadTimeoutError": ("timeout", "read"),
    "botocore.parsers.ResponseParserError": ("http", "malformed"),
    "builtins.BrokenPipeError": ("network", "reset"),
    "builtins.ConnectionAbortedError": ("network", "reset"),
    "builtins.ConnectionRefusedError": ("network", "refused"),
    "builtins.ConnectionResetError": ("network", "reset"),
    # Connects and reads that time out have classes of their own further out; a bare one is left from sending.
    "builtins.TimeoutError": ("timeout", "write"),
    "gevent.timeout.Timeout": ("timeout", "total"),
    "http.client.BadStatusLine": ("http", "malformed"),
    "http.client.IncompleteRead": ("network", "closed"),
    "http.client.RemoteDisconnected": ("network", "closed"),
    "socket.gaierror": ("network", "dns"),
    "ssl.SSLCertVerificationError": ("tls", "certificate"),
    "ssl.SSLError": ("tls", "handshake"),
    "urllib3.exceptions.ConnectTimeoutError": ("timeout", "connect"),
    "urllib3.exceptions.IncompleteRead": ("network", "closed"),
    "urllib3.exceptions.NameResolutionError": ("network", "dns"),
    "urllib3.exceptions.ReadTimeoutError": ("timeout", "read"),
}

_WRAPPERS: dict[str, tuple[Layer, str]] = {
    "botocore.exceptions.ConnectionClosedError": ("network", "closed"),
    "botocore.exceptions.EndpointConnectionError": ("network", "unreachable"),
    "botocore.exceptions.ResponseStreamingError": ("network", "closed"),
    "botocore.exceptions.SSLError": ("tls", "handshake"),
    "http.client.HTTPException": ("http", "malformed"),
    "urllib3.exceptions.NewConnectionError": ("network", "unreachable"),
    "urllib3.exceptions.ProtocolError": ("network", "closed"),
    "urllib3.exceptions.SSLError": ("tls", "handshake"),
}
"""What only says "something below failed": asked when nothing below says what."""

_BY_ERRNO: dict[int, tuple[Layer, str]] = {
    errno.ECONNREFUSED: ("network", "refused"),
    errno.ECONNRESET: ("network", "reset"),
    errno.EPIPE: ("network", "reset"),
    errno.EHOSTUNREACH: ("network", "unreachable"),
    errno.ENETUNREACH: ("network", "unreachable"),
    errno.ENETDOWN: ("network", "unreachable"),
    errno.ETIMEDOUT: ("timeout", "connect"),
    errno.EADDRNOTAVAIL: ("client", "limit"),
    errno.EMFILE: ("client", "limit"),
    errno.ENFILE: ("client", "limit"),
    errno.ENOMEM: ("client", "limit"),
}
"""EADDRNOTAVAIL and below are the generator's own limits (local ports, descriptors, memory), not the server's fault."""

_S3_KINDS: dict[str, str] = {
    "AccessDenied": "denied",
    "ExpiredToken": "denied",
    "InvalidAccessKeyId": "denied",
    "RequestTimeTooSkewed": "denied",
    "SignatureDoesNotMatch": "denied",
    "BandwidthLimitExceeded": "throttled",
    "RequestLimitExceeded": "throttled",
    "ServerBusy": "throttled",
    "ServiceUnavailable": "throttled",
    "SlowDown": "throttled",
    "SlowDownRead": "throttled",
    "SlowDownWrite": "throttled",
    "Throttling": "throttled",
    "TooManyRequests": "throttled",
    "NoSuchBucket": "not_found",
    "NoSuchKey": "not_found",
    "NoSuchUpload": "not_found",
    "NoSuchVersion": "not_found",
    "InsufficientStorage": "full",
    "QuotaExceeded": "full",
    "XMinioStorageFull": "full",
    "InternalError": "internal",
}
"""Codes of the S3 API reference ("Error responses") and of common servers; the rest go by their status."""

_STATUS_KINDS: dict[int, str] = {401: "denied", 403: "denied", 404: "not_found", 429: "throttled", 503: "throttled", 507: "full"}


def _answered(response: dict[str, dict[str, object]]) -> Failure:
    status = int(str(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)))
    code = str(response.get("Error", {}).get("Code", ""))
    # botocore puts the status in place of the code where the body had none.
    if not code or code.isdigit():
        return Failure("http", _kind_of_status(status), str(status))
    return Failure("s3", _S3_KINDS.get(code) or _kind_of_status(status), _word(code))


def _kind_of_status(status: int) -> str:
    if kind := _STATUS_KINDS.get(status):
        return kind
    return {3: "redirected", 4: "invalid", 5: "internal"}.get(status // 100, "malformed")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, then what it wraps, outermost first; each once."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        # botocore keeps the cause in `kwargs`, urllib3 in `reason` or among the arguments.
        kept = (getattr(link, "kwargs", None) or {}).get("error")
        waiting += [kept, getattr(link, "reason", None), *link.args, link.__cause__, link.__context__]


def _place(error: BaseException, *, wrappers_too: bool) -> tuple[Layer, str] | None:
    """By the system's error number, else by the nearest known class.

    A wrapper's own bases do not count: urllib3's NewConnectionError derives from its connect timeout, whatever it wraps.
    """
    if place := _BY_ERRNO.get(_number(error)):
        return place
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
    known = next((name for name in names if name in _TELLING or name in _WRAPPERS), "")
    return _TELLING.get(known) or (_WRAPPERS.get(known) if wrappers_too else None)


def _code(error: BaseException) -> str:
    number = _number(error)
    return errno.errorcode[number] if number in _BY_ERRNO else _word(type(error).__name__)


def _number(error: BaseException) -> int:
    return getattr(error, "errno", None) or 0


def _word(text: str) -> str:
    """The text if it is a plain name, else `other`: servers put ids and keys in surprising places."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9._]{0,47}", text) and sum(letter.isdigit() for letter in text) <= _MOST_DIGITS
    return text if plain else "other"


_MOST_DIGITS = 4
"""As in `XAmzContentSHA256Mismatch`, with one to spare; an id has more."""

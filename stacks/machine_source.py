"""A user's own cloud image: a path or URL with its checksum, fetched into the cache, verified, looked at before it may boot."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import struct
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import SplitResult, quote, unquote, urlsplit

from bench.errors import CowbenchError, DeployError, InputError
from stacks import machine_bootstrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STALL_S = 60.0
_LIMIT_S = 3600.0
"""The images of distributions have 0.3 to 2 GB: an hour is below 1 MB/s."""

_PROGRESS_S = 5.0
_CHUNK_BYTES = 1 << 20

_SECTOR_BYTES = 512
_QCOW2 = b"QFI\xfb"
_EXTERNAL_DATA = 1 << 2
"""Among a qcow2's incompatible features."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a user's image comes from: `url` is http, https or file. `label` is its file name, for people."""

    url: str
    sha256: str
    label: str


def is_own(reference: str) -> bool:
    """Tell a user's own image from a name: a name has no slash and no `#`."""
    return "/" in reference or "#" in reference


def parse(reference: str) -> Source:
    """Read `PLACE#sha256=DIGITS`, as pip writes it; PLACE is an absolute path or an http, https or file URL.

    Raises InputError when it is anything else, or has a user name or password: it stands in reports.
    """
    place, _, checksum = reference.partition("#")
    found = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", checksum)
    url = f"file://{quote(place)}" if place.startswith("/") else place
    parts = _split(url)
    remote = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
    local = parts.scheme == "file" and parts.netloc in {"", "localhost"}
    label = unquote(parts.path).rpartition("/")[2]
    if not (found and (remote or local) and label) or re.search(r"\s", url) or not place.isprintable():
        raise InputError(
            f"{_without_secret(reference)!r} does not name a machine image of your own",
            next_step="write an absolute path or an http, https or file URL without a password, then #sha256= and "
            "the 64 hex digits that sha256sum prints, for example /images/noble-server-cloudimg-amd64.img#sha256=0123...",
        )
    return Source(url=url, sha256=found[1].lower(), label=label)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # brackets that do not hold an address
        return urlsplit("")


def fetch(source: Source, folder: Path, progress: Callable[[str], None]) -> None:
    """Put a verified `root.qcow2` and, last, `manifest.json` into `folder`. The caller holds its lock.

    A download that was broken off goes on where it stopped. Nothing of the user's is changed or removed.
    Raises DeployError: it cannot be had, its checksum is another, or it is no image that may be booted.
    """
    folder.mkdir(exist_ok=True)
    for left_behind in ("root.qcow2", "manifest.json"):
        (folder / left_behind).unlink(missing_ok=True)
    partial = folder / "image.partial"
    _receive_verified(source, partial, progress)
    try:
        _make_qcow2(source, partial, folder / "root.qcow2")
    except CowbenchError:
        partial.unlink(missing_ok=True)
        raise
    manifest = {
        "name": source.label,
        "url": source.url,
        "digest": f"sha256:{source.sha256}",
        "root_bytes": (folder / "root.qcow2").stat().st_size,
        "kernel_release": "",
        "packages": {},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))


def _receive_verified(source: Source, partial: Path, progress: Callable[[str], None]) -> None:
    for resumed in (partial.exists(), False):
        if not (resumed and _sha256(partial) == source.sha256):  # else it was broken off after its last byte
            _receive(source, partial, progress)
        digest = _sha256(partial)
        if digest == source.sha256:
            return
        partial.unlink()
        if not resumed:  # else the part that was there may be of another version
            break
    raise DeployError(
        f"the checksum of {source.label} is another\n  | expected {source.sha256}\n  | got      {digest}",
        where=source.url,
        next_step="compare with what its makers publish: the file was changed, or the reference names another version",
    )


def _receive(source: Source, partial: Path, progress: Callable[[str], None]) -> None:
    """Append to `partial` what it lacks, or begin anew where the server cannot go on."""
    begun = shown = time.monotonic()
    try:
        with partial.open("ab") as kept, _opened(source.url, kept.tell()) as (stream, begins_at, total_bytes):
            kept.truncate(begins_at)
            while chunk := stream.read(_CHUNK_BYTES):
                kept.write(chunk)
                now = time.monotonic()
                if now - begun > _LIMIT_S:
                    raise TimeoutError(f"not done after {_LIMIT_S:.0f} s")
                if now - shown > _PROGRESS_S:
                    progress(f"{source.label}: {kept.tell() >> 20} of {total_bytes >> 20} MiB after {now - begun:.0f} s")
                    shown = now
            if kept.tell() < total_bytes:
                raise ConnectionError(f"the connection ended after {kept.tell()} of {total_bytes} bytes")
    except (OSError, http.client.HTTPException) as error:
        raise DeployError(
            f"{source.label} cannot be fetched: {error}",
            where=source.url,
            next_step="mend that and run it again: it goes on where it stopped. Or fetch it by hand and name its path",
        ) from error
    progress(f"{source.label}: fetched {total_bytes >> 20} MiB in {time.monotonic() - begun:.1f} s")


@contextmanager
def _opened(url: str, have_bytes: int) -> Iterator[tuple[BinaryIO, int, int]]:
    """Give the stream, the byte that it begins at, and the size of the whole."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        with Path(unquote(parts.path)).open("rb") as stream:
            yield stream, 0, Path(unquote(parts.path)).stat().st_size
        return
    with _answer(url, have_bytes) as answer:
        begins_at = have_bytes if answer.status == HTTPStatus.PARTIAL_CONTENT else 0
        yield answer, begins_at, begins_at + int(answer.headers.get("Content-Length") or 0)


def _answer(url: str, have_bytes: int) -> http.client.HTTPResponse:
    """Ask for the rest, or for all where there is no such rest. `parse` saw to http or https, and urllib keeps to it."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={have_bytes}-"} if have_bytes else {})  # noqa: S310
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_STALL_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have_bytes:
            raise
        error.close()
        return _answer(url, 0)
    return answer


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _make_qcow2(source: Source, received: Path, qcow2: Path) -> None:
    """Give it its name when it is a qcow2 that stands alone; make one of a raw disk."""
    with received.open("rb") as stream:
        reason = _refusal(first := stream.read(_SECTOR_BYTES))
    if reason:
        raise InputError(
            f"{source.label} is no machine image that may be booted here: {reason}",
            where=source.url,
            next_step="name a distribution's cloud image: a qcow2 that stands alone, or a raw disk; unpacked if it is an archive",
        )
    if first.startswith(_QCOW2):
        received.rename(qcow2)
    else:
        machine_bootstrap.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(received), str(qcow2)])
        received.unlink()


def _refusal(first: bytes) -> str:
    """Say why an image with this first sector may not boot, or nothing. Read here, because QEMU opens what an image names.

    A qcow2 may name any file of this machine as what it is based on, or as where its data lies: a guest could read that.
    Source of the offsets: docs/interop/qcow2.txt of QEMU. A disk with a boot record, MBR or GPT, has a mark at byte 510.
    """
    if not first.startswith(_QCOW2):
        return "" if first[510:] == b"\x55\xaa" else "neither qcow2 nor a disk with a boot record"
    if len(first) < _SECTOR_BYTES:
        return "cut short"
    version, backing_file, encryption, features = struct.unpack(">4xIQ16xI36xQ", first[:80])
    if version not in {2, 3}:
        return f"qcow2 of the unknown version {version}"
    if backing_file or (version > 2 and features & _EXTERNAL_DATA):  # noqa: PLR2004 - version 2 has no features
        return "it reads from another file of this machine (a backing file or an external data file)"
    return "it is encrypted" if encryption else ""


def _without_secret(reference: str) -> str:
    return re.sub(r"//[^/@]*@", "//***@", reference)

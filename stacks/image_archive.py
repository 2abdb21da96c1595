"""Writes an image as a tar that `docker load` takes, byte for byte the same for the same content."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from stacks.dockerfile import Definition

FORMAT = 1
"""Raise when the same definition is to give other bytes: it is part of every cached name."""

_EPOCH = "1970-01-01T00:00:00Z"
_OCI = "application/vnd.oci.image"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def content_digest(layers: Sequence[str]) -> str:
    """Digest of an image's content: `layers` are the digests of its uncompressed layers, lowest first.

    An engine shows them as `RootFS.Layers`, alike for graph drivers and for the containerd image store, which disagree
    about what an image's id is. Equal digests mean equal bits, wherever the image came from.
    """
    return _digest("\n".join(layers).encode())


def write(
    definition: Definition,
    files: Mapping[str, Path],
    *,
    architecture: str,
    reference: str,
    tar: Path,
    below: Sequence[Path] = (),
) -> tuple[str, str]:
    """Write the image to `tar` and return its image id (digest of the config) and its content digest.

    `files` maps each copied file's name to it; they are one layer, above the ready ones of `below`. `tar` holds an OCI layout
    and, beside it, the `manifest.json` that engines before Docker 25 read. Layers are uncompressed: loading costs no CPU. A
    server has one, and so sits in one lower directory under every storage driver.
    """
    own = tar.with_suffix(".layer")
    _write_layer(definition, files, own)
    layers = {_file_digest(layer): layer for layer in (*below, own)}
    config = _json(_config(definition, list(layers), architecture))
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": _descriptor(f"{_OCI}.config.v1+json", config),
            "layers": [
                {"mediaType": f"{_OCI}.layer.v1.tar", "digest": digest, "size": layer.stat().st_size}
                for digest, layer in layers.items()
            ],
        }
    )
    blobs = [_blob(digest) for digest in layers]
    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as archive:
        for blob, layer in zip(blobs, layers.values(), strict=True):
            _add_file(archive, blob, layer, mode=0o644)
        for name, content in {
            _blob(_digest(config)): config,
            _blob(_digest(manifest)): manifest,
            "index.json": _json(_index(manifest, reference)),
            "manifest.json": _json([{"Config": _blob(_digest(config)), "RepoTags": [reference], "Layers": blobs}]),
            "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        }.items():
            archive.addfile(_entry(name, size=len(content)), io.BytesIO(content))
    own.unlink()
    return _digest(config), content_digest(list(layers))


def write_tree(tree: Path, at: str, layer: Path) -> None:
    """Write the files, folders and links below `tree` as a layer that puts them at the absolute path `at`.

    Permissions are kept, owners and times are not. Devices and sockets are left out: an engine makes a container's own.
    """
    prefix = PurePosixPath(at.lstrip("/"))
    parents = [str(parent) for parent in reversed((prefix, *prefix.parents)) if str(parent) != "."]
    with tarfile.open(layer, "w", format=tarfile.USTAR_FORMAT, encoding="utf-8") as archive:
        for parent in parents:
            archive.addfile(_entry(parent, kind=tarfile.DIRTYPE, mode=0o755))
        for path in _below(tree):
            name, mode = str(prefix / path.relative_to(tree)), stat.S_IMODE(path.lstat().st_mode)
            if path.is_symlink():
                link = _entry(name, kind=tarfile.SYMTYPE, mode=0o777)
                link.linkname = str(path.readlink())
                archive.addfile(link)
            elif path.is_dir():
                archive.addfile(_entry(name, kind=tarfile.DIRTYPE, mode=mode))
            elif path.is_file():
                _add_file(archive, name, path, mode=mode)


def _below(tree: Path) -> Iterator[Path]:
    """Everything below, parents first, in an order that does not depend on the disk; links are not followed."""
    for path in sorted(tree.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)


def _write_layer(definition: Definition, files: Mapping[str, Path], layer: Path) -> None:
    paths = {path.lstrip("/"): files[name] for name, path in definition.copies if name in files}
    wanted = {*paths, *(path.lstrip("/") for path in definition.directories)}
    parents = {str(parent) for path in wanted for parent in PurePosixPath(path).parents}
    with tarfile.open(layer, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted((wanted | parents) - {".", ""}):
            if path in paths:
                _add_file(archive, path, paths[path], mode=0o755)
            else:
                archive.addfile(_entry(path, kind=tarfile.DIRTYPE, mode=0o755))


def _add_file(archive: tarfile.TarFile, name: str, file: Path, *, mode: int) -> None:
    with file.open("rb") as stream:
        archive.addfile(_entry(name, size=file.stat().st_size, mode=mode), stream)


def _entry(name: str, *, size: int = 0, mode: int = 0o644, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    """Return an entry of owner 0 and time 0, which are `TarInfo`'s defaults: nothing of the building host gets in."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.type = size, mode, kind
    return entry


def _config(definition: Definition, layers: Sequence[str], architecture: str) -> dict[str, object]:
    return {
        "architecture": architecture,
        "os": "linux",
        "created": _EPOCH,
        "config": {
            "Entrypoint": list(definition.entrypoint),
            "Labels": dict(definition.labels),
            "WorkingDir": definition.working_directory,
            "Env": [f"PATH={_PATH}", *(f"{key}={value}" for key, value in definition.environment)],
        },
        "rootfs": {"type": "layers", "diff_ids": list(layers)},
        "history": [{"created": _EPOCH, "created_by": "cowbench"} for _ in layers],
    }


def _index(manifest: bytes, reference: str) -> dict[str, object]:
    named = _descriptor(f"{_OCI}.manifest.v1+json", manifest)
    # The containerd image store takes the name from here, not from manifest.json, and wants it in full.
    annotations = {
        "io.containerd.image.name": f"docker.io/{reference}",
        "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
    }
    return {"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": [{**named, "annotations": annotations}]}


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _file_digest(file: Path) -> str:
    with file.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

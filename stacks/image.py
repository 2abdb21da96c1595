"""Container images: each made once from its folder in `images/`, without an engine, and kept as a tar."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import InputError
from stacks import dockerfile, image_archive, image_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stacks.dockerfile import Definition
    from stacks.image_parts import Part

_FOLDERS = Path(__file__).resolve().parent.parent / "images"
_KEPT = 3
"""Tars of one image that stay in the cache: a checkout's own, and those that another process may be loading."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A container image ready to load.

    `image_id` is what an engine with graph drivers calls it. `content_digest` covers the layers alone and is the same
    under every image store: the one to compare by. `reference` is the name it has after `docker load`.
    """

    name: str
    tar: Path
    image_id: str
    content_digest: str
    reference: str


def cache_directory() -> Path:
    """Return where built things are kept: `COWBENCH_CACHE`, else `cowbench` in the user's cache."""
    if chosen := os.environ.get("COWBENCH_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cowbench"


def names() -> tuple[str, ...]:
    """Return the images that `make setup` makes, sorted: all but those that their `when` keeps for later."""
    return tuple(name for name in _all() if "when" not in _source(name))


def ensure(name: str) -> Image:
    """Return the image `name`, made now if no tar of its present definition is in the cache.

    A cached one costs milliseconds. Safe to call from several processes at once: one makes it, the others wait.

    Raises:
        InputError: there is no such image, or its folder says something that is not understood.
        DeployError: what the image is made of cannot be had here.
    """
    if name not in _all():
        raise InputError(
            f"there is no image `{name}`",
            where=str(_FOLDERS),
            next_step=f"use one of {', '.join(_all()) or '(none: run from a checkout)'}, or add a folder for it",
        )
    parts = image_parts.parts(_FOLDERS / name, _source(name))
    images = cache_directory() / "images"
    images.mkdir(parents=True, exist_ok=True)
    tar = images / f"{name}-{_definition_hash(name, parts)}.tar"
    if cached := _cached(name, tar):
        return cached
    with _locked(images / f"{name}.lock"):
        return _cached(name, tar) or _make(name, parts, tar)


def _all() -> tuple[str, ...]:
    return tuple(sorted(path.parent.name for path in _FOLDERS.glob("*/Dockerfile")))


def _source(name: str) -> Mapping[str, Any]:
    return tomllib.loads((_FOLDERS / name / "source.toml").read_text())


def _definition_hash(name: str, parts: tuple[Part, ...]) -> str:
    """Hash everything the image is made from."""
    told = [str(image_archive.FORMAT), image_parts.architecture(), *(part.fingerprint for part in parts)]
    for path in sorted(file for file in (_FOLDERS / name).iterdir() if file.is_file()):
        told += [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _cached(name: str, tar: Path) -> Image | None:
    """Read the record beside `tar`. It is written after the tar, so a kill in between leaves no record."""
    try:
        record = json.loads(tar.with_suffix(".json").read_text())
        if tar.stat().st_size != record.pop("tar_bytes"):
            return None
        return Image(name=name, tar=tar, **record)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make(name: str, parts: tuple[Part, ...], tar: Path) -> Image:
    file, images = _FOLDERS / name / "Dockerfile", tar.parent
    definition = dockerfile.read(file.read_text(), str(file))
    reference = f"cowbench/{name}:{tar.stem.removeprefix(f'{name}-')}"
    for left_behind in images.glob(f".{name}-*"):  # of a maker that was killed: the lock says that none is at work
        shutil.rmtree(left_behind, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=images, prefix=f".{name}-") as workshop:
        files, layers = _gather(name, parts, definition, Path(workshop))
        draft = Path(workshop) / tar.name
        image_id, digest = image_archive.write(
            definition, files, architecture=image_parts.architecture(), reference=reference, tar=draft, below=layers
        )
        record = {"image_id": image_id, "content_digest": digest, "reference": reference}
        draft_record = draft.with_suffix(".json")
        draft_record.write_text(json.dumps({**record, "tar_bytes": draft.stat().st_size}))
        tar.with_suffix(".json").unlink(missing_ok=True)
        draft.replace(tar)
        draft_record.replace(tar.with_suffix(".json"))
    _forget_oldest(images, name)
    return Image(name=name, tar=tar, **record)


def _gather(name: str, parts: tuple[Part, ...], definition: Definition, workshop: Path) -> tuple[dict[str, Path], list[Path]]:
    """Make or find each part: programs by their name in the Dockerfile, and layers in the order of the source."""
    files: dict[str, Path] = {}
    layers: list[Path] = []
    places = dict(definition.copies)
    cache = cache_directory()
    for part in parts:
        if part.name not in places:
            raise InputError(
                f"`{part.name}` is made but not copied",
                where=f"images/{name}/Dockerfile",
                next_step=f"add: COPY {part.name} /...",
            )
        shop = image_parts.Workshop(folder=workshop, cache=cache, below=tuple(layers))
        if part.is_layer:
            layers.append(_layer(name, part, places[part.name], shop))
        else:
            files[part.name] = part.make(shop, places[part.name])
    return files, layers


def _layer(name: str, part: Part, at: str, shop: image_parts.Workshop) -> Path:
    """Return the layer of a part, kept for the next image that has it: a changed line of code makes no new Debian."""
    layers = shop.cache / "images" / "layers"
    layers.mkdir(exist_ok=True)
    place = hashlib.sha256(at.encode()).hexdigest()[:4]
    layer = layers / f"{name}-{part.name}-{part.fingerprint}{place}.tar"
    if not layer.exists():
        draft = shop.folder / layer.name
        tree = part.make(shop, at)
        image_archive.write_tree(tree, at, draft)
        shutil.rmtree(tree)
        draft.replace(layer)
        _forget_oldest(layers, f"{name}-{part.name}")
    return layer


def _forget_oldest(folder: Path, name: str) -> None:
    """Keep the newest tars of this name only: each change of a definition makes another one."""
    tars = [path for path in folder.glob(f"{name}-*.tar") if "-" not in path.stem.removeprefix(f"{name}-")]
    for path in sorted(tars, key=lambda path: path.stat().st_mtime)[:-_KEPT]:
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold `path` against other processes; the kernel lets go of it when the holder dies."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

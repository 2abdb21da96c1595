"""The matrix file, read strictly: what is compared, and under which load. One clear error, with the place in the file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from bench.errors import InputError
from bench.records import AXES, Load, Reference
from stacks import axes as known_axes
from stacks import disk as disks
from stacks import document, drivers, kernels, machine_source, matrix_deploy, matrix_load, servers
from stacks.terms import Terms
from stacks.value import Value

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 1
LIMIT_CELLS = 10_000
"""A plan of so many takes a few seconds. What a machine or an account has room for is asked before anything is created."""

Point = Mapping[str, tuple[str, ...]]
"""Values on some axes. A wish for a kernel stands under `stacks.kernels.AXIS`, in place of `machine_image`."""

_T = TypeVar("_T")
_Listed = Mapping[str, tuple[Value, ...]]
_REQUIRED = ("schema", "name", "axes", "load")
_OPTIONAL = ("include", "exclude", "reference", "disk_size", "server_images", "deploy")
AXES_OR_KERNEL = (*AXES[: AXES.index("machine_image")], kernels.AXIS, *AXES[AXES.index("machine_image") :])
"""A kernel in the place of the image that it decides."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_BY_DIGEST = re.compile(r"[a-z0-9][a-z0-9._:/-]{0,200}@sha256:[0-9a-f]{64}")
_FREE_TEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """What a matrix file says. An axis that is not in `axes` takes its cloud's or driver's default.

    Cells are every combination of `axes` without those that match an entry of `exclude`, then those of each entry of `include`,
    whose keys replace that axis' list (a kernel that of the machine images, and the other way round). `disk_size` is per host,
    empty for the cloud's own. `server_images` names container images by digest, for servers that are not to be built here.
    `terms` are those on which hosts in an account are rented. `places` tells where a part stands.
    """

    name: str
    path: Path
    text: str
    axes: Point
    include: tuple[Point, ...]
    exclude: tuple[Point, ...]
    reference: Reference
    load: Load
    disk_size: str = ""
    server_images: Mapping[str, str] = field(default_factory=dict)
    terms: Terms = field(default_factory=Terms)
    places: Mapping[str, str] = field(default_factory=dict)

    def place(self, part: str) -> str:
        """`file:line:column key` of a part such as `include[0]`, or the file."""
        return self.places.get(part, str(self.path))


def read(path: Path) -> Matrix:
    """The matrix in the file. Raises InputError with the first thing that is wrong."""
    source = document.read(path)
    _refuse_other_schema(source.root)
    fields = source.root.mapping(required=_REQUIRED, optional=_OPTIONAL)
    include, exclude = _entries(fields, "include"), _entries(fields, "exclude")
    axes = _listed(fields["axes"])
    _refuse_kernels_in(exclude)
    _refuse_too_many(fields["axes"], axes, include)
    _refuse_impossible(include)
    return Matrix(
        name=_name(fields["name"]),
        path=path,
        text=source.text,
        axes=_point(axes, axes),
        include=tuple(_point(listed, axes) for _, listed in include),
        exclude=tuple(_point(listed, axes) for _, listed in exclude),
        reference=_reference(fields, axes, _clouds(axes, include)),
        load=matrix_load.read(fields["load"], lambda axis, value: _value(axis, value, _clouds(axes, include))),
        disk_size=_disk_size(fields, axes),
        server_images=_server_images(fields),
        terms=matrix_deploy.read(fields["deploy"], _regions(axes, include)) if "deploy" in fields else Terms(),
        places=dict(_places(fields)),
    )


def _refuse_other_schema(root: Value) -> None:
    """First of all: a file for another version has keys that are unknown here, and those are not its fault."""
    if not isinstance(root.content, Mapping) or "schema" not in root.content:
        return
    value = root.content["schema"]
    if value.text() != str(SCHEMA):
        raise value.error(
            f"this program reads matrices of schema {SCHEMA}, this one says {value.text()}",
            f"write schema: {SCHEMA} and the keys of the README, or use the Cowbench the file was written for",
        )


def _name(value: Value) -> str:
    name = value.text()
    if not _NAME.fullmatch(name):
        raise value.error(f"{name!r} is no name for a matrix", "use small letters, digits and dashes, 40 at most")
    return name


def _server_images(fields: Mapping[str, Value]) -> dict[str, str]:
    """Registry references by server. Only by digest: a tag may name another image tomorrow, and the numbers would not tell."""
    if "server_images" not in fields:
        return {}
    references = fields["server_images"].mapping(optional=servers.SERVERS)
    for value in references.values():
        if not _BY_DIGEST.fullmatch(value.text()):
            raise value.error(
                f"{value.text()!r} is no image by digest", "write registry/name@sha256: and the 64 digits of the digest"
            )
    return {server: value.text() for server, value in references.items()}


def _entries(fields: Mapping[str, Value], key: str) -> tuple[tuple[Value, _Listed], ...]:
    """The entries of `include` or `exclude`; an empty list is fine here, an empty entry is not."""
    if key not in fields or fields[key].content == ():
        return ()
    entries = tuple((value, _listed(value)) for value in fields[key].items())
    for value, listed in entries:
        if not listed:
            raise value.error("the entry names no axis", f"write one or more of {', '.join(AXES)}")
    return entries


def _listed(value: Value) -> _Listed:
    listed = {axis: each.items() for axis, each in value.mapping(optional=AXES_OR_KERNEL).items()}
    if kernels.AXIS in listed and "machine_image" in listed:
        (first, *_) = listed[kernels.AXIS]
        raise first.error("a kernel and a machine_image are asked for, and the image decides the kernel", "keep one of the keys")
    for items in listed.values():
        seen: set[str] = set()
        for item in items:
            if item.text() in seen:
                raise item.error(f"{item.text()!r} is listed twice; that would be the same cell again", "remove one of them")
            seen.add(item.text())
    return listed


def _refuse_too_many(place: Value, axes: _Listed, include: tuple[tuple[Value, _Listed], ...]) -> None:
    """By multiplication, before anything is expanded."""
    count = 0
    for value, listed in ((place, axes), *include):
        count += math.prod(len(items) for items in over(axes, listed).values())
        if count > LIMIT_CELLS:
            raise value.error(
                f"{count} cells; a run has {LIMIT_CELLS} at most", "list fewer values, or split the matrix into several"
            )


def over(axes: Mapping[str, _T], addition: Mapping[str, _T]) -> dict[str, _T]:
    """The axes with what an entry of `include` puts in their place."""
    pair = {kernels.AXIS, "machine_image"}
    replaced = {*addition, *(pair if pair & set(addition) else ())}
    return {**{axis: values for axis, values in axes.items() if axis not in replaced}, **addition}


def _refuse_kernels_in(exclude: tuple[tuple[Value, _Listed], ...]) -> None:
    for _, listed in exclude:
        for value in listed.get(kernels.AXIS, ()):
            step = "name the machine_image that it gives: cowbench plan shows them"
            raise value.error("what is excluded is named by its machine image", step)


def _refuse_impossible(include: tuple[tuple[Value, _Listed], ...]) -> None:
    """A pair that is written down is a mistake; one that only comes of multiplying is left out of the plan, with its reason."""
    for _, listed in include:
        for driver in listed.get("driver", ()):
            known = drivers.load(driver.one_of(drivers.DRIVERS, "driver")).backing_filesystems
            for filesystem in listed.get("backing_filesystem", ()):
                if filesystem.one_of(known_axes.filesystems(), "backing_filesystem") not in known:
                    what = f"{driver.text()} does not run on {filesystem.text()}"
                    raise filesystem.error(what, f"write {' or '.join(known)}, or leave the key out")


def _point(listed: _Listed, axes: _Listed) -> Point:
    """The values as text, each one known to its axis; in the order of the axes, so that clouds come before what they offer."""
    named = listed.get("cloud", axes.get("cloud", ()))
    clouds_used = tuple(value.text() for value in named) or (known_axes.default_cloud(),)
    return {axis: tuple(_value(axis, value, clouds_used) for value in listed[axis]) for axis in AXES_OR_KERNEL if axis in listed}


def _clouds(axes: _Listed, include: tuple[tuple[Value, _Listed], ...]) -> tuple[str, ...]:
    """Every cloud that a cell may be on."""
    named = (value.text() for listed in (axes, *(each for _, each in include)) for value in listed.get("cloud", ()))
    found = tuple(dict.fromkeys(named))
    return found if "cloud" in axes else tuple(dict.fromkeys((known_axes.default_cloud(), *found)))


def _regions(axes: _Listed, include: tuple[tuple[Value, _Listed], ...]) -> dict[str, tuple[str, ...]]:
    """Every region that a cell may be in, by cloud."""
    named = dict.fromkeys(value.text() for listed in (axes, *(each for _, each in include)) for value in listed.get("region", ()))
    return {
        cloud: tuple(dict.fromkeys((*named, *(() if "region" in axes else (known_axes.filled({"cloud": cloud}, "")["region"],)))))
        for cloud in _clouds(axes, include)
    }


def _value(axis: str, value: Value, clouds_used: tuple[str, ...]) -> str:
    if axis == "disk":
        return _disk(value, clouds_used)
    if axis == kernels.AXIS:
        return _kernel(value)
    if axis == "machine_image" and known_axes.own_images(clouds_used) and machine_source.is_own(value.text()):
        return _own_image(value)
    known = known_axes.choices(axis, clouds_used)
    if known is not None:
        return value.one_of(known, axis)
    if not _FREE_TEXT.fullmatch(value.text()):
        raise value.error(
            f"{value.text()[:60]!r} is no {axis}", "write it as the cloud does: letters, digits, ._:/+-, 100 at most"
        )
    return value.text()


def _kernel(value: Value) -> str:
    try:
        return kernels.wish(value.text())
    except ValueError as reason:
        raise value.error(f"{value.text()[:60]!r}: {reason}", 'write ">=6.8", "5.10" or ">=5,<6", in quotes') from None


def _own_image(value: Value) -> str:
    try:
        machine_source.parse(value.text())
    except InputError as error:
        raise value.error(error.what, error.next_step) from None
    return value.text()


def _disk(value: Value, clouds_used: tuple[str, ...]) -> str:
    reasons = []
    for cloud in clouds_used:
        try:
            return known_axes.disk(value.text(), cloud)
        except ValueError as reason:
            reasons.append(str(reason))
    usual = known_axes.usual(clouds_used[0], "")["disk"]
    raise value.error(f"{value.text()[:60]!r} is no disk: {reasons[0]}", f"write kind and size, as in {usual}")


def _disk_size(fields: Mapping[str, Value], axes: _Listed) -> str:
    if "disk_size" not in fields:
        return ""
    value = fields["disk_size"]
    if "disk" in axes:
        raise value.error("the disk's size is given twice, here and in axes.disk", "keep one of them")
    try:
        return disks.size_text(value.size_bytes(1, 1 << 50))
    except ValueError as reason:
        raise value.error(str(reason), "write a size such as 8GiB") from None


def _reference(fields: Mapping[str, Value], axes: _Listed, clouds_used: tuple[str, ...]) -> Reference:
    """What the file says, or the first driver on the first filesystem."""
    if "reference" not in fields:
        chosen = {axis: axes[axis][0].text() for axis in ("driver", "backing_filesystem") if axis in axes}
        filled = known_axes.filled(chosen, "")
        return Reference(axes={axis: filled[axis] for axis in ("driver", "backing_filesystem")})
    value = fields["reference"]
    listed = {axis: (each,) for axis, each in value.mapping(optional=AXES_OR_KERNEL).items()}
    if not listed:
        raise value.error("the reference names no axis", "write one or more, as in {driver: overlay2}")
    point = {axis: text for axis, (text,) in _point(listed, axes).items()}
    if kernels.AXIS in point:
        clouds_meant = (point["cloud"],) if "cloud" in point else clouds_used
        point["machine_image"] = _image_of_kernel(listed[kernels.AXIS][0], point.pop(kernels.AXIS), clouds_meant)
    return Reference(axes=point)


def _image_of_kernel(value: Value, wish: str, clouds_meant: tuple[str, ...]) -> str:
    """The one machine image that a wish gives on these clouds: figures of a run are compared with one."""
    choices = [kernels.choose(cloud, wish) for cloud in clouds_meant]
    images = dict.fromkeys(choice.offer.machine_image for choice in choices if choice.offer)
    if len(images) != 1:
        given = [f"{choice.offer} on {choice.cloud}" for choice in choices if choice.offer]
        what = f"kernel {wish} is {' and '.join(given)}" if given else choices[0].reason
        raise value.error(what, "name a machine_image in the reference, or one cloud")
    return next(iter(images))


def _places(fields: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    for key, value in fields.items():
        yield key, value.place
        if isinstance(value.content, tuple):
            yield from ((f"{key}[{index}]", item.place) for index, item in enumerate(value.content))

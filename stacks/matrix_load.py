"""The `load:` part of a matrix file → `Load`: what is asked of every cell alike."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from bench.clients import CLIENTS
from bench.records import Generators, Load, Workload
from bench.workloads import MIXABLE, WORKLOADS
from stacks import quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stacks.value import Value

_LOAD_KEYS = ("blocks", "seed", "client", "expect_100_continue", "verify_share", "op_timeout", "generators")
_WORKLOAD_KEYS = ("name", "concurrency", "duration", "warm_up", "objects", "part_size", "mix")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_SEED_BITS = 63
_MOST_GENERATORS = 16

# Limits of S3 itself: "Amazon S3 multipart upload limits" and "Uploading objects" in the S3 User Guide.
_LARGEST_OBJECT_BYTES = 5 << 30
_SMALLEST_PART_BYTES = 5 << 20
_MOST_PARTS = 10_000

_MIX: Mapping[str, float] = {"get": 0.7, "put": 0.3}
_MIX_TOLERANCE = 1e-6


def read(value: Value, on_axis: Callable[[str, Value], str]) -> Load:
    """The load that the file asks for. A seed that is left out is drawn here, and kept with the run. Raises InputError.

    `on_axis` gives a value's text when the axis of that name may have it.
    """
    fields = value.mapping(required=("workloads",), optional=_LOAD_KEYS)
    return Load(
        workloads=_workloads(fields["workloads"]),
        blocks=fields["blocks"].integer(1, 1000) if "blocks" in fields else 6,
        seed=fields["seed"].integer(0, (1 << _SEED_BITS) - 1) if "seed" in fields else secrets.randbits(_SEED_BITS),
        client=fields["client"].one_of(CLIENTS, "client") if "client" in fields else CLIENTS[0],
        expect_100_continue="expect_100_continue" in fields and fields["expect_100_continue"].flag(),
        verify_share=fields["verify_share"].number(0, 1) if "verify_share" in fields else 0.1,
        op_timeout_s=fields["op_timeout"].duration_s(0.01, 3600) if "op_timeout" in fields else 10.0,
        generators=_generators(fields["generators"], on_axis) if "generators" in fields else None,
    )


def _generators(value: Value, on_axis: Callable[[str, Value], str]) -> Generators:
    """A number, or a mapping that also says what they are; what it leaves out is "", the cloud's own default."""
    if isinstance(value.content, str):
        return Generators(count=value.integer(1, _MOST_GENERATORS), instance_type="", machine_image="")
    fields = value.mapping(required=("count",), optional=("instance_type", "machine_image"))
    return Generators(
        count=fields["count"].integer(1, _MOST_GENERATORS),
        instance_type=on_axis("instance_type", fields["instance_type"]) if "instance_type" in fields else "",
        machine_image=on_axis("machine_image", fields["machine_image"]) if "machine_image" in fields else "",
    )


def _workloads(value: Value) -> tuple[Workload, ...]:
    workloads: dict[str, Workload] = {}
    for item in value.items():
        workload = _workload(item, taken=workloads)
        workloads[workload.name] = workload
    return tuple(workloads.values())


def _workload(value: Value, taken: Mapping[str, Workload]) -> Workload:
    fields = value.mapping(required=("op", "object_size"), optional=_WORKLOAD_KEYS)
    op = fields["op"].one_of(WORKLOADS, "workload")
    size_bytes = fields["object_size"].size_bytes(1, _LARGEST_OBJECT_BYTES)
    return Workload(
        name=_name(fields["name"], taken) if "name" in fields else _free_name(f"{op}-{quantity.size_text(size_bytes)}", taken),
        op=op,
        object_size_bytes=size_bytes,
        concurrency=fields["concurrency"].integer(1, 1000) if "concurrency" in fields else 2,
        duration_s=fields["duration"].duration_s(0.01, 86400) if "duration" in fields else 1.0,
        warm_up_s=fields["warm_up"].duration_s(0, 3600) if "warm_up" in fields else 0.1,
        objects=fields["objects"].integer(1, 1_000_000) if "objects" in fields else 32,
        part_size_bytes=_part_size_bytes(fields, op, size_bytes),
        mix=_mix(fields, op),
    )


def _name(value: Value, taken: Mapping[str, Workload]) -> str:
    name = value.text()
    if not _NAME.fullmatch(name):
        raise value.error(f"{name!r} is no name for a workload", "use letters, digits, dots and dashes, 60 at most")
    if name in taken:
        raise value.error(f"a workload named {name!r} stands further up", "give each workload a name of its own")
    return name


def _free_name(name: str, taken: Mapping[str, Workload]) -> str:
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def _part_size_bytes(fields: Mapping[str, Value], op: str, size_bytes: int) -> int:
    """Of a multipart upload, or of the piece that a range reads."""
    if "part_size" not in fields:
        part_bytes, value = _SMALLEST_PART_BYTES, fields["object_size"]
    else:
        value = fields["part_size"]
        part_bytes = value.size_bytes(_SMALLEST_PART_BYTES if op == "multipart" else 1, _LARGEST_OBJECT_BYTES)
    if op == "multipart" and size_bytes > part_bytes * _MOST_PARTS:
        raise value.error(f"an object would have more than {_MOST_PARTS} parts", "raise part_size")
    return part_bytes


def _mix(fields: Mapping[str, Value], op: str) -> dict[str, float]:
    if op != "mixed":
        if "mix" in fields:
            raise fields["mix"].error(f"mix belongs to the op mixed, not to {op}", "remove mix, or write op: mixed")
        return {}
    if "mix" not in fields:
        return dict(_MIX)
    shares = {name: share.number(0, 1) for name, share in fields["mix"].mapping(optional=MIXABLE).items()}
    if abs(sum(shares.values()) - 1) > _MIX_TOLERANCE:
        what = f"the shares of the mix sum to {sum(shares.values()):g}"
        raise fields["mix"].error(what, "let them sum to 1, as in {get: 0.7, put: 0.3}")
    return shares

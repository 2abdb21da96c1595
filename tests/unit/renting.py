"""A cloud with an account that nobody has: for tests of what is planned and what it costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.records import Generators, Load, Reference, Workload
from stacks import clouds, distributions, matrix
from stacks.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from stacks.cloud import Cloud

IMAGES = ("debian-12", "ubuntu-24.04", "debian-13", "rocky-9", "centos-7", "rocky-10")


def cloud(name: str = "rented", **features: Any) -> Cloud:
    """It sells VMs by the hour and disks by their speed, in two regions."""
    qemu = clouds.load("qemu")
    own = {"needs_account": True, "on_this_machine": False, "own_images": False, "sells_spot": True, **features}
    return replace(
        qemu,
        name=name,
        features=replace(qemu.features, **own),
        axes={
            **qemu.axes,
            "region": ("north", "south"),
            "instance_type": ("large", "small"),
            "disk": ("ssd-100GiB", "nvme-50GiB"),
            "machine_image": IMAGES,
        },
        default_disk="ssd-100GiB",
        facts=lambda cell: distributions.facts(cell.machine_image),
    )


def register(monkeypatch: pytest.MonkeyPatch, *more: Cloud) -> None:
    """The cloud beside the two that need no account."""
    known = {name: clouds.load(name) for name in ("local", "qemu")} | {each.name: each for each in (cloud(), *more)}
    monkeypatch.setattr(clouds, "CLOUDS", tuple(known))
    monkeypatch.setattr(clouds, "load", known.__getitem__)


def workload(**changes: Any) -> Workload:
    """Ten seconds, and no warm-up."""
    plain = Workload(
        name="put",
        op="put",
        object_size_bytes=4096,
        concurrency=1,
        duration_s=10.0,
        warm_up_s=0.0,
        objects=1,
        part_size_bytes=1,
        mix={},
    )
    return replace(plain, **changes)


def wanted(axes: Mapping[str, tuple[str, ...]], *, generators: int = 0, blocks: int = 6, **terms: Any) -> matrix.Matrix:
    """A matrix of the rented cloud."""
    made = Generators(count=generators, instance_type="", machine_image="") if generators else None
    return matrix.Matrix(
        name="rented",
        path=Path("rented.yaml"),
        text="",
        axes={"cloud": ("rented",), **axes},
        include=(),
        exclude=(),
        reference=Reference(axes={}),
        load=Load(
            workloads=(workload(),),
            blocks=blocks,
            seed=1,
            client="boto3",
            expect_100_continue=False,
            verify_share=0.1,
            op_timeout_s=10,
            generators=made,
        ),
        terms=Terms(**terms),
    )

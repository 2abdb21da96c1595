"""From matrix to plan: which cells, under which names, which are left out, and why."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import InputError
from bench.records import AXES, Cell, Load, Reference
from stacks import clouds, drivers, host_setup, matrix, plan, servers
from tests.unit import renting

GOLDEN = Path(__file__).parent.parent / "golden" / "plan"

DEBIAN_12: Mapping[str, object] = {
    "docker": "20.10.24",
    "containerd": "1.6.20",
    "runc": "1.1.5",
    "kernel": "6.18.44",
    "el7_build": None,
    "distro": "debian:12",
    "cgroup": "v2",
    "systemd": "252",
    "store": "graphdriver",
    "d_type": True,
    "rootless": False,
    "fuse_overlayfs_installed": True,
    "module_overlay": True,
    "module_btrfs": True,
    "module_xfs": True,
    "module_ext4": True,
    "module_fuse": True,
    "module_zfs": False,
    "module_aufs": False,
    "module_dm_thin_pool": False,
}
"""A host with six storage drivers, as Debian 12 comes."""


def matrix_of(**changes: object) -> matrix.Matrix:
    load = Load(workloads=(), blocks=6, seed=1, client="boto3", expect_100_continue=False, verify_share=0.1, op_timeout_s=10)
    plain = matrix.Matrix(
        name="test",
        path=Path("test.yaml"),
        text="",
        axes={"driver": ("overlay2", "btrfs"), "data_placement": ("writable_layer", "volume")},
        include=(),
        exclude=(),
        reference=Reference(axes={}),
        load=load,
    )
    return replace(plain, **changes)  # type: ignore[arg-type] # any field of a matrix


def names(of: matrix.Matrix) -> list[str]:
    return [cell.name for cell in plan.expand(of)]


def debian_12(_: Cell) -> Mapping[str, object]:
    return DEBIAN_12


# --- expand


def test_every_combination_is_a_cell_in_the_order_of_the_matrix() -> None:
    assert names(matrix_of()) == [
        "local-overlay2-ext4-seaweedfs-layer",
        "local-overlay2-ext4-seaweedfs-volume",
        "local-btrfs-btrfs-seaweedfs-layer",
        "local-btrfs-btrfs-seaweedfs-volume",
    ]


def test_an_axis_that_is_left_out_takes_the_default_of_its_cloud_or_driver() -> None:
    (cell,) = plan.expand(matrix_of(axes={}))

    assert {axis: getattr(cell, axis) for axis in AXES} == {
        "cloud": "local",
        "region": "here",
        "instance_type": "this-host",
        "disk": "loop-8GiB",
        "machine_image": "this-host",
        "engine": "distribution",
        "driver": "overlay2",
        "backing_filesystem": "ext4",
        "server": "seaweedfs",
        "data_placement": "writable_layer",
    }


def test_include_replaces_the_axes_it_names_and_keeps_the_others() -> None:
    added = names(matrix_of(include=({"driver": ("overlay2",), "backing_filesystem": ("xfs",)},)))[4:]

    assert added == ["local-overlay2-xfs-seaweedfs-layer", "local-overlay2-xfs-seaweedfs-volume"]


def test_exclude_drops_the_cells_that_match_every_key_it_gives() -> None:
    kept = names(matrix_of(exclude=({"driver": ("btrfs",), "data_placement": ("volume",)},)))

    assert kept == [name for name in names(matrix_of()) if name != "local-btrfs-btrfs-seaweedfs-volume"]


def test_cells_that_differ_in_server_and_placement_alone_share_a_host() -> None:
    cells = plan.expand(matrix_of(axes={**matrix_of().axes, "server": servers.SERVERS}))

    assert {cell.host for cell in cells} == {"overlay2-ext4", "btrfs-btrfs"}
    assert len(cells) == 4 * len(servers.SERVERS)


def test_the_size_of_the_disk_changes_the_disk_but_no_name() -> None:
    small, large = matrix_of(), matrix_of(disk_size="32GiB")

    assert names(small) == names(large)
    assert {cell.disk for cell in plan.expand(large)} == {"loop-32GiB"}


def test_an_axis_that_differs_from_what_is_usual_shows_in_the_name_and_in_the_hosts() -> None:
    usual, larger = plan.expand(matrix_of(axes={"disk": ("loop-8GiB", "loop-16GiB")}))

    assert (usual.name, usual.host) == ("local-overlay2-ext4-seaweedfs-layer", "overlay2-ext4")
    assert re.fullmatch(r"local-overlay2-ext4-seaweedfs-layer-loop-16gib-[a-z2-7]{7}", larger.name)
    assert re.fullmatch(r"overlay2-ext4-loo.*-[a-z2-7]{7}", larger.host)


@pytest.fixture
def rented(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second cloud with regions, no default for its machine image, and a very long name."""
    local = clouds.load("local")
    axes = {**local.axes, "region": ("north", "south"), "machine_image": None}
    other = replace(local, name="rented-in-a-far-away-country", axes=axes, default_disk="ssd-40GiB")
    monkeypatch.setattr(clouds, "CLOUDS", (local.name, other.name))
    monkeypatch.setattr(clouds, "load", {local.name: local, other.name: other}.__getitem__)


RENTED = {"cloud": ("rented-in-a-far-away-country",), "machine_image": ("Debian 12", "debian-12", "debian.12")}


@pytest.mark.usefixtures("rented")
def test_long_and_strange_values_still_give_short_plain_names_that_differ() -> None:
    cells = plan.expand(matrix_of(axes={**RENTED, "region": ("north", "south"), "driver": drivers.DRIVERS}))

    assert len({cell.name for cell in cells}) == len({cell.host for cell in cells}) == len(cells) == 6 * len(drivers.DRIVERS)
    assert all(re.fullmatch(r"[a-z0-9-]{1,60}", cell.name) for cell in cells)
    assert all(re.fullmatch(r"[a-z0-9-]{1,26}", cell.host) for cell in cells)


@pytest.mark.usefixtures("rented")
def test_a_disk_takes_the_kind_of_its_cloud_and_the_size_of_the_matrix() -> None:
    (cell,) = plan.expand(matrix_of(axes={**RENTED, "machine_image": ("any",)}, disk_size="100GiB"))

    assert cell.disk == "ssd-100GiB"


@pytest.mark.usefixtures("rented")
def test_an_axis_without_default_must_be_named() -> None:
    with pytest.raises(InputError, match="no default for machine_image"):
        plan.expand(matrix_of(axes={"cloud": RENTED["cloud"]}))


@pytest.mark.usefixtures("rented")
def test_what_one_of_several_clouds_does_not_have_is_left_out_with_what_it_has() -> None:
    axes = {"cloud": ("local", *RENTED["cloud"]), "region": ("here", "south"), "machine_image": ("this-host",)}

    made = plan.plan(matrix_of(axes=axes), debian_12)

    assert [(cell.cloud, cell.region) for cell in made.cells] == [("local", "here"), (RENTED["cloud"][0], "south")]
    assert [left.reason for left in made.left_out] == [
        "local has no region south; it has here",
        "rented-in-a-far-away-country has no region here; it has north, south",
    ]


points = st.fixed_dictionaries(
    {},
    optional={
        "driver": st.lists(st.sampled_from(drivers.DRIVERS), min_size=1, unique=True).map(tuple),
        "backing_filesystem": st.lists(st.sampled_from(("ext4", "xfs", "btrfs")), min_size=1, unique=True).map(tuple),
        "server": st.lists(st.sampled_from(servers.SERVERS), min_size=1, unique=True).map(tuple),
        "disk": st.lists(st.sampled_from(("loop-8GiB", "loop-9GiB", "loop-10GiB")), min_size=1, unique=True).map(tuple),
        "data_placement": st.sampled_from((("writable_layer",), ("volume",), ("volume", "writable_layer"))),
    },
)


def product(point: Mapping[str, tuple[str, ...]]) -> int:
    count = 1
    for values in point.values():
        count *= len(values)
    return count


@settings(deadline=None)
@given(points)
def test_names_are_unique_and_the_order_is_always_the_same(point: Mapping[str, tuple[str, ...]]) -> None:
    cells = plan.expand(matrix_of(axes=point))

    assert len({cell.name for cell in cells}) == len(cells) == product(point)
    assert cells == plan.expand(matrix_of(axes=dict(reversed(tuple(point.items())))))
    shared = {cell.host: {axis: getattr(cell, axis) for axis in AXES[:-2]} for cell in cells}
    assert all(shared[cell.host] == {axis: getattr(cell, axis) for axis in AXES[:-2]} for cell in cells)


@settings(deadline=None)
@given(points, points)
def test_a_cell_keeps_its_name_whatever_else_the_matrix_lists(
    some: Mapping[str, tuple[str, ...]], more: Mapping[str, tuple[str, ...]]
) -> None:
    both = {axis: tuple(dict.fromkeys((*values, *more.get(axis, ())))) for axis, values in some.items()}

    assert set(names(matrix_of(axes=some))) <= set(names(matrix_of(axes=both)))


@settings(deadline=None)
@given(points, points, points)
def test_the_count_is_the_product_less_the_excluded_plus_the_included(
    point: Mapping[str, tuple[str, ...]], excluded: Mapping[str, tuple[str, ...]], included: Mapping[str, tuple[str, ...]]
) -> None:
    whole = plan.expand(matrix_of(axes=point))
    dropped = {cell.name for cell in whole if all(getattr(cell, axis) in values for axis, values in excluded.items())}
    added = set(names(matrix_of(axes={**point, **included})))
    kept = {cell.name for cell in whole} - dropped
    of = matrix_of(axes=point, exclude=(excluded,), include=(included,))

    if not dropped or added & kept:
        with pytest.raises(InputError, match=r"matches this|there already"):
            plan.expand(of)
    else:
        assert len(plan.expand(of)) == product(point) - len(dropped) + product({**point, **included})


# --- plan


def test_the_plan_of_the_default_matrix_on_debian_12_is_as_recorded() -> None:
    default = matrix.read(Path(matrix.__file__).parent / "matrices" / "default.yaml")
    made = plan.plan(default, debian_12)
    shown = {
        "cells": [f"{cell.name} on {cell.host}, {cell.disk}" for cell in made.cells],
        "left_out": [
            {"cell": left.cell.name, **{key: getattr(left, key) for key in ("reason", "fix", "source")}} for left in made.left_out
        ],
        "warnings": [{key: getattr(warning, key) for key in ("check", "cell", "text", "fix")} for warning in made.warnings],
    }
    golden = GOLDEN / "default.json"
    if os.environ.get("COWBENCH_REFRESH_GOLDEN"):
        golden.write_text(json.dumps(shown, indent=2) + "\n", encoding="utf-8")

    assert shown == json.loads(golden.read_text(encoding="utf-8"))


def test_a_cell_that_cannot_work_is_left_out_with_every_reason_and_its_rule() -> None:
    facts = {**DEBIAN_12, "docker": "28.0.1", "tool_thin_check": False}

    made = plan.plan(matrix_of(axes={"driver": ("overlay2", "devicemapper")}), lambda _: facts)

    (left,) = made.left_out
    assert left.cell.driver == "devicemapper"
    assert left.source == "HST01, SEL02, DM06"
    assert "no dm_thin_pool module" in left.reason
    assert "Docker 25.0 removed devicemapper" in left.reason
    assert "install lvm2" in left.fix
    assert [cell.driver for cell in made.cells] == ["overlay2"]


def test_a_fact_that_is_not_known_keeps_no_cell_out() -> None:
    made = plan.plan(matrix_of(axes={"driver": ("aufs", "devicemapper", "vfs")}), lambda _: {})

    assert [cell.driver for cell in made.cells] == ["aufs", "devicemapper", "vfs"]


def test_a_pair_that_only_comes_of_multiplying_is_left_out_with_its_rule() -> None:
    made = plan.plan(matrix_of(axes={"driver": ("overlay2", "btrfs"), "backing_filesystem": ("ext4",)}), debian_12)

    assert [(left.cell.driver, left.source) for left in made.left_out] == [("btrfs", "FS13")]


def test_a_pair_that_no_rule_speaks_of_is_left_out_by_what_the_driver_and_the_cloud_say() -> None:
    facts = {**DEBIAN_12, "module_aufs": True, "module_zfs": True}

    made = plan.plan(matrix_of(axes={"driver": ("vfs", "zfs"), "backing_filesystem": ("ext4", "zfs")}), lambda _: facts)

    reasons = {f"{left.cell.driver} on {left.cell.backing_filesystem}": left.reason for left in made.left_out}
    assert list(reasons) == ["vfs on zfs", "zfs on ext4"]
    assert "vfs does not run on zfs" in reasons["vfs on zfs"]
    assert made.left_out[0].source == "stacks.drivers, stacks.clouds.local"


def test_a_warning_names_its_cell_and_one_that_holds_everywhere_is_said_once() -> None:
    facts = {**DEBIAN_12, "cgroup": "v1", "docker": "29.0.1"}

    made = plan.plan(matrix_of(axes={"driver": ("vfs", "btrfs")}), lambda _: facts)

    assert [(warning.check, warning.cell) for warning in made.warnings] == [
        ("FS19", "local-vfs-ext4-seaweedfs-layer"),
        ("CG07", ""),
    ]
    assert all(warning.level == "warning" and warning.fix for warning in made.warnings)


def test_the_plan_shows_the_facts_it_was_made_from() -> None:
    made = plan.plan(matrix_of(axes={"driver": ("devicemapper",)}), lambda _: {"kernel": "6.1"})

    facts = made.facts["local-devicemapper-ext4-seaweedfs-layer"]
    assert facts == {**host_setup.facts(drivers.load("devicemapper"), "ext4"), "data_on_volume": False, "kernel": "6.1"}
    assert (facts["driver"], facts["fs"], facts["explicit"]) == ("devicemapper", "ext4", True)


def test_a_driver_that_wants_a_whole_disk_is_left_out_where_hosts_have_none() -> None:
    able = {**DEBIAN_12, "module_dm_thin_pool": True}

    made = plan.plan(matrix_of(axes={"driver": ("vfs", "devicemapper-direct")}), lambda _: able)

    assert [left.cell.driver for left in made.left_out] == ["devicemapper-direct"]
    assert "wants a disk of its own" in made.left_out[0].reason


def test_too_few_blocks_and_a_reference_that_is_left_out_are_said_before_anything_is_built() -> None:
    of = matrix_of(axes={"driver": ("vfs", "aufs")}, reference=Reference(axes={"driver": "aufs"}))

    made = plan.plan(replace(of, load=replace(of.load, blocks=5)), debian_12)

    assert {"reference", "blocks"} <= {warning.check for warning in made.warnings}
    assert "driver aufs" in next(warning.text for warning in made.warnings if warning.check == "reference")


def test_a_matrix_of_which_nothing_can_work_is_one_error_with_the_reasons() -> None:
    with pytest.raises(InputError) as caught:
        plan.plan(matrix_of(axes={"driver": ("zfs", "aufs")}), debian_12)

    assert "no zfs module" in caught.value.what
    assert "never part of the mainline kernel" in caught.value.what
    assert caught.value.next_step


def test_a_cloud_is_asked_for_facts_only_about_cells_it_could_make(monkeypatch: pytest.MonkeyPatch) -> None:
    local = clouds.load("local")
    asked: list[str] = []

    def facts(cell: Cell) -> Mapping[str, object]:
        asked.append(cell.name)
        return DEBIAN_12

    monkeypatch.setattr(clouds, "load", lambda _: replace(local, facts=facts))

    made = plan.plan(matrix_of(axes={"region": ("here", "elsewhere")}), plan.facts_of)

    assert asked == [cell.name for cell in made.cells] == ["local-overlay2-ext4-seaweedfs-layer"]


# --- types that may take the place of others


def on_aws(instead_of: Mapping[str, tuple[str, ...]], *, generators: str = "", **axes_of: tuple[str, ...]) -> matrix.Matrix:
    plain = renting.wanted({"cloud": ("aws",), **axes_of}, generators=bool(generators), instead_of=instead_of)
    if plain.load.generators is None:
        return plain
    return replace(plain, load=replace(plain.load, generators=replace(plain.load.generators, instance_type=generators)))


def test_types_that_a_host_could_become_are_planned_with() -> None:
    # What no host is made of takes the place of nothing.
    of = on_aws({"m7i.large": ("m6i.large", "m5.large"), "m7i.xlarge": ("m7g.xlarge",)})

    assert len(plan.plan(of, plan.facts_of).cells) == 1


@pytest.mark.parametrize(
    ("of", "told"),
    [
        (on_aws({"m7i.large": ("m6i.large", "m7g.large")}), r"has m7g\.large for m7i\.large: m7g\.large is for ARM"),
        (on_aws({"m7i.large": ("m6id.large",)}), r"m6id\.large for m7i\.large: m6id\.large has local disks beside the gp3 one"),
        (on_aws({"c7i.large": ("c7g.large",)}, generators="c7i.large"), r"c7g\.large for c7i\.large: c7g\.large is for ARM"),
    ],
)
def test_a_type_that_no_host_could_become_is_refused_before_anything_is_made(of: matrix.Matrix, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        plan.plan(of, plan.facts_of)

    assert caught.value.exit_code == 2
    assert caught.value.next_step.startswith("choose ")


def test_a_type_that_the_cloud_does_not_offer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    renting.register(monkeypatch)
    with pytest.raises(InputError, match="tiny for large: rented has no instance_type tiny; it has large, small") as caught:
        plan.plan(renting.wanted({}, instead_of={"large": ("small", "tiny")}), plan.facts_of)

    assert caught.value.next_step

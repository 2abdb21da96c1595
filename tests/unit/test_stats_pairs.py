"""Which cell meets which, above all where cells stand on several machine images."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.records import Reference
from bench.stats.pairs import pairs
from tests.unit.small_run import generator_host
from tests.unit.stats_example import target

if TYPE_CHECKING:
    from bench.records import Target


def on_images() -> tuple[Target, ...]:
    """Two drivers, each through the driver and around it, on each of two machine images."""
    made = []
    for image, driver, placement in itertools.product(("11", "13"), ("overlay2", "btrfs"), ("writable_layer", "volume")):
        one = target(driver, "volume" if placement == "volume" else "writable_layer")
        made.append(replace(one, cell=replace(one.cell, name=f"{one.cell.name}-{image}", machine_image=f"debian-{image}")))
    return tuple(made)


def met(kind: str, **reference: str) -> dict[str, str]:
    found = pairs(on_images(), Reference(axes=reference))
    return {one.cell.cell.name: one.against.cell.name if one.against else "" for one in found if one.kind == kind}


def test_a_reference_without_a_machine_image_is_met_on_the_cell_s_own() -> None:
    assert met("reference", driver="overlay2") == {
        "btrfs-layer-11": "overlay2-layer-11",
        "btrfs-volume-11": "overlay2-volume-11",
        "btrfs-layer-13": "overlay2-layer-13",
        "btrfs-volume-13": "overlay2-volume-13",
    }


def test_a_reference_of_a_machine_image_alone_is_met_by_the_same_driver_elsewhere() -> None:
    assert met("reference", machine_image="debian-13") == {
        "overlay2-layer-11": "overlay2-layer-13",
        "overlay2-volume-11": "overlay2-volume-13",
        "btrfs-layer-11": "btrfs-layer-13",
        "btrfs-volume-11": "btrfs-volume-13",
    }


def test_a_reference_of_both_is_one_cell_for_each_placement() -> None:
    layers = {
        cell: against
        for cell, against in met("reference", driver="overlay2", machine_image="debian-13").items()
        if "layer" in cell
    }

    assert layers == dict.fromkeys(["overlay2-layer-11", "btrfs-layer-11", "btrfs-layer-13"], "overlay2-layer-13")


def test_the_control_arm_is_always_on_the_cell_s_own_host_whatever_the_reference() -> None:
    arms = {f"{driver}-layer-{image}": f"{driver}-volume-{image}" for image in ("11", "13") for driver in ("overlay2", "btrfs")}

    assert met("control_arm", driver="overlay2") == arms
    assert met("control_arm", driver="overlay2", machine_image="debian-13") == arms


def test_each_side_of_a_pair_has_the_hosts_that_its_load_came_from() -> None:
    one = target("overlay2")
    other = replace(target("btrfs"), cell=replace(target("btrfs").cell, region="there"))
    loads = tuple(generator_host(name, region=region) for name, region in (("load-here", "here"), ("load-there", "there")))
    found = {
        pair.cell.cell.name: [[host.name for host in load] for load in (pair.cell_load, pair.against_load)]
        for pair in pairs([one, other], Reference(axes={"driver": "overlay2", "region": "here"}), loads)
    }

    assert found == {"btrfs-layer": [["load-there"], ["load-here"]]}


def test_a_driver_that_the_reference_s_image_lacks_has_nothing_to_meet() -> None:
    lone = on_images()[2]
    (pair,) = pairs([lone], Reference(axes={"machine_image": "debian-13"}))

    assert (pair.against, pair.wanted) == (None, "machine_image debian-13")

"""Which hosts a stack needs: shared by placements, and load generators where load comes from hosts of its own."""

from __future__ import annotations

import pytest

from bench.errors import InputError
from bench.records import Generators
from stacks import hosts
from tests.cells import cell

TWO = Generators(count=2, instance_type="", machine_image="")


def test_a_cell_and_its_control_arm_share_a_host_and_each_has_its_port() -> None:
    arms = (cell(cloud="qemu"), cell(placement="volume", cloud="qemu"))

    ((request, members),) = hosts.targets("s", arms, None)

    assert members == arms
    assert set(request.ports) == {each.name for each in arms}
    assert request.open_to == "operator"


def test_with_load_generators_nobody_else_reaches_the_server() -> None:
    ((request, _),) = hosts.targets("s", (cell(cloud="qemu"),), TWO)

    assert request.open_to == "generators"


def test_load_generators_get_the_clouds_usual_machine_and_names_of_their_own() -> None:
    found = hosts.load_generators("s", (cell(cloud="qemu"),), TWO)

    assert [request.name for _, request in found] == ["load-qemu-1", "load-qemu-2"]
    assert {cloud for cloud, _ in found} == {"qemu"}
    assert all(request.machine_image and request.instance_type for _, request in found)


def test_load_generators_can_be_larger_than_usual() -> None:
    ((_, request),) = hosts.load_generators(
        "s", (cell(cloud="qemu"),), Generators(count=1, instance_type="4cpu-4GiB", machine_image="debian-trixie")
    )

    assert (request.instance_type, request.machine_image) == ("4cpu-4GiB", "debian-trixie")


def test_a_cloud_without_a_network_of_its_own_refuses_load_generators() -> None:
    with pytest.raises(InputError, match="the cloud local has no hosts for load generators"):
        hosts.load_generators("s", (cell(),), TWO)


def test_every_host_of_a_cloud_is_counted_before_anything_is_made() -> None:
    found = hosts.by_cloud("s", (cell(cloud="qemu"),), TWO)

    assert [len(requests) for requests in found.values()] == [3]

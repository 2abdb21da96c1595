"""Which targets are too unlike to be compared: what differs must be what is asked about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bench.stats.pairs import Pair
from bench.stats.unlike import unlike
from tests.unit.small_run import generator_host
from tests.unit.stats_example import target

if TYPE_CHECKING:
    from bench.records import GeneratorHost, Target

GIB = 2**30


def told(one: Target, other: Target) -> str:
    return unlike(Pair(kind="reference", cell=one, against=other, wanted=""))


def on_host(one: Target, **facts: Any) -> Target:
    return replace(one, host=replace(one.host, **facts))


def planned(one: Target, **axes: Any) -> Target:
    return replace(one, cell=replace(one.cell, **axes))


def served(one: Target, *command: str, endpoint: str) -> Target:
    return replace(one, endpoint=endpoint, server=replace(one.server, command=command))


BTRFS, OVERLAY2 = target("btrfs"), target("overlay2")


def test_targets_that_differ_in_their_driver_alone_are_compared() -> None:
    assert told(BTRFS, OVERLAY2) == ""


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"cpus": 64}, "cpus (64 and 2)"),
        ({"memory_bytes": 256 * GIB}, f"memory bytes ({256 * GIB} and {GIB})"),
        ({"direct_io": True}, "direct io (True and False)"),
        ({"kernel": "6.12"}, "kernel (6.12 and 6.1)"),
        ({"engine_version": "20.10"}, "engine version (20.10 and 28)"),
        ({"containerd_version": "1"}, "containerd version (1 and 2)"),
        ({"runc_version": "2"}, "runc version (2 and 1)"),
        ({"cgroup_version": "1"}, "cgroup version (1 and 2)"),
        ({"mkfs": "mkfs.ext4 -O ^has_journal"}, "mkfs (mkfs.ext4 -O ^has_journal and mkfs.ext4)"),
        ({"mount_options": "rw,nobarrier"}, "mount options (nobarrier and nothing)"),
        ({"disk_bytes": 2**40}, f"disk bytes ({2**40} and {2**33})"),
    ],
)
def test_a_fact_that_no_axis_explains_is_named_with_both_values(facts: dict[str, Any], words: str) -> None:
    reason = told(on_host(BTRFS, **facts), OVERLAY2)

    assert reason == (
        f"they differ in {words}, which no axis of the comparison explains: deploy both alike, or make it an axis of the matrix"
    )


def test_further_differences_are_named_without_their_values() -> None:
    reason = told(on_host(BTRFS, cpus=64, kernel="6.12", mount_options="rw,sync"), OVERLAY2)

    assert reason.startswith("they differ in cpus (64 and 2), and in kernel, mount options, which no axis")


@pytest.mark.parametrize(
    ("axes", "facts"),
    [
        ({"instance_type": "large"}, {"cpus": 64, "memory_bytes": 256 * GIB}),
        ({"cloud": "aws"}, {"cpus": 64, "kernel": "6.12", "disk_bytes": 2**40}),
        ({"machine_image": "debian-13"}, {"kernel": "6.12", "cgroup_version": "1"}),
        ({"engine": "docker_ce-20.10"}, {"engine_version": "20.10", "containerd_version": "1", "runc_version": "2"}),
        ({"disk": "nvme"}, {"disk_bytes": 2**40, "direct_io": True}),
        ({"backing_filesystem": "xfs"}, {"backing_filesystem": "xfs", "mkfs": "mkfs.xfs", "mount_options": "rw,inode64"}),
    ],
)
def test_a_fact_may_differ_where_the_cells_differ_on_the_axis_that_sets_it(axes: dict[str, Any], facts: dict[str, Any]) -> None:
    assert told(planned(on_host(BTRFS, **facts), **axes), OVERLAY2) == ""
    assert told(on_host(BTRFS, **{**facts, "backing_filesystem": "ext4"}), OVERLAY2) != ""


def test_another_machine_image_brings_its_kernel_with_its_engine_and_what_both_show_of_a_mount() -> None:
    brought = {"kernel": "5.10", "engine_version": "20.10", "containerd_version": "1", "runc_version": "1.1"}
    other_image = planned(on_host(BTRFS, **brought, mount_options="rw,attr2"), machine_image="debian-11")

    assert told(other_image, OVERLAY2) == ""
    assert told(OVERLAY2, other_image) == ""
    assert "mount options (sync and nothing)" in told(on_host(other_image, mount_options="rw,sync"), OVERLAY2)
    assert "engine version" in told(on_host(BTRFS, engine_version="20.10"), OVERLAY2)


def test_a_server_that_listens_on_a_private_network_has_its_own_address_there_too() -> None:
    one = served(BTRFS, "server", "-ip=10.77.0.1", "--port", "10.77.0.1:7070", endpoint="http://127.77.0.1:7070")
    other = served(OVERLAY2, "server", "-ip=10.77.0.2", "--port", "10.77.0.2:7070", endpoint="")

    assert (
        told(replace(one, private_endpoint="http://10.77.0.1:7070"), replace(other, private_endpoint="http://10.77.0.2:7070"))
        == ""
    )


def test_kvm_against_bare_metal_is_compared_across_clouds_only() -> None:
    kvm = on_host(BTRFS, virtualization="QEMU 7.2.22, KVM")

    assert told(planned(kvm, cloud="qemu"), OVERLAY2) == ""
    assert "virtualization (QEMU 7.2.22, KVM and none)" in told(kvm, OVERLAY2)


def test_a_tenth_of_the_memory_may_differ() -> None:
    assert told(on_host(BTRFS, memory_bytes=int(0.91 * GIB)), OVERLAY2) == ""
    assert "memory" in told(on_host(BTRFS, memory_bytes=int(0.89 * GIB)), OVERLAY2)


def test_the_order_of_mount_options_does_not_matter() -> None:
    assert told(on_host(BTRFS, mount_options="rw,noatime"), on_host(OVERLAY2, mount_options="noatime,rw")) == ""


def test_of_different_filesystems_the_options_that_all_have_are_compared() -> None:
    xfs = planned(on_host(BTRFS, backing_filesystem="xfs", mkfs="mkfs.xfs"), backing_filesystem="xfs")

    assert told(on_host(xfs, mount_options="rw,inode64"), on_host(OVERLAY2, mount_options="rw,discard")) == ""
    assert "mount options (noatime and relatime)" in told(
        on_host(xfs, mount_options="rw,noatime,inode64"), on_host(OVERLAY2, mount_options="rw,relatime")
    )


def test_a_server_s_own_address_is_no_difference_and_another_flag_is() -> None:
    one = served(BTRFS, "server", "--port", "127.7.0.1:7070", "-ip=127.7.0.1", endpoint="http://127.7.0.1:7070")
    other = served(OVERLAY2, "server", "--port", "127.7.0.2:7070", "-ip=127.7.0.2", endpoint="http://127.7.0.2:7070")
    odd = replace(other, server=replace(other.server, command=(*other.server.command, "--odirect")))

    assert told(one, other) == ""
    assert "server command (nothing and --odirect)" in told(one, odd)
    assert told(one, planned(odd, server="versitydirect")) == ""


def test_the_same_flags_in_another_order_are_shown_whole() -> None:
    one = served(BTRFS, "posix", "--quiet", endpoint="http://127.7.0.1:1")
    other = served(OVERLAY2, "--quiet", "posix", endpoint="http://127.7.0.2:1")

    assert "server command (posix --quiet and --quiet posix)" in told(one, other)


def test_other_image_digests_of_one_server_are_not_compared() -> None:
    reason = told(BTRFS, target("overlay2", digest="sha256:two"))

    assert reason == "their seaweedfs images differ (sha256:one and sha256:two): deploy both from the same image"


def loaded(one: Target, other: Target, *loads: tuple[GeneratorHost, ...]) -> Pair:
    return Pair(kind="reference", cell=one, against=other, wanted="", cell_load=loads[0], against_load=loads[1])


LOAD = generator_host("load-north")


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        ((replace(LOAD, host=replace(LOAD.host, emulated=True)),), "in emulated (False and True)"),
        ((replace(LOAD, host=replace(LOAD.host, cpus=64)),), "in cpus (2 and 64)"),
        (
            (replace(LOAD, host=replace(LOAD.host, cpus=64, kernel="5.10")),),
            "in cpus (2 and 64), kernel (6.1.0-18-amd64 and 5.10)",
        ),
        ((replace(LOAD, image_id="sha256:other"),), "in image id (sha256:9e and sha256:other)"),
        ((LOAD, LOAD), "in number (1 and 2, none being the operator's machine)"),
        ((), "in number (1 and 0, none being the operator's machine)"),
    ],
)
def test_targets_that_were_loaded_from_other_hosts_are_not_compared(theirs: tuple[GeneratorHost, ...], words: str) -> None:
    reason = unlike(loaded(BTRFS, planned(OVERLAY2, region="south"), (LOAD,), theirs))

    assert reason == (f"the hosts that their load came from differ {words}: give both the same, or compare cells with one load")


def test_load_from_two_hosts_of_a_kind_is_the_same_load() -> None:
    one, two = replace(LOAD, name="north-1"), replace(LOAD, name="north-2", image_id="sha256:b")
    mirrored = replace(LOAD, name="south-1", image_id="sha256:b", address="10.77.9.9"), replace(LOAD, name="south-2")

    assert unlike(loaded(BTRFS, planned(OVERLAY2, region="south"), (one, two), mirrored)) == ""


def test_a_pair_is_emulated_when_anything_at_either_end_is() -> None:
    slow = replace(LOAD, host=replace(LOAD.host, emulated=True))

    assert not loaded(BTRFS, OVERLAY2, (LOAD,), (LOAD,)).emulated
    assert loaded(BTRFS, OVERLAY2, (LOAD,), (slow,)).emulated
    assert loaded(BTRFS, OVERLAY2, (slow,), (LOAD,)).emulated
    assert loaded(BTRFS, target("overlay2", emulated=True), (), ()).emulated


def test_two_builds_of_one_machine_image_are_not_compared() -> None:
    old, new = on_host(BTRFS, machine_image_digest="sha256:old"), on_host(OVERLAY2, machine_image_digest="sha256:new")

    assert told(old, new) == (
        "they were deployed from two builds of the machine image this-host (sha256:old and sha256:new): cowbench down, then up,"
        " deploys both anew"
    )
    assert "(none and sha256:new)" in told(BTRFS, new)
    assert told(old, planned(new, machine_image="debian-13")) == ""
    assert told(old, planned(new, cloud="aws")) == ""


def test_emulated_is_compared_with_emulated_only() -> None:
    emulated = target("btrfs", emulated=True)

    assert told(emulated, OVERLAY2) == "btrfs-layer ran emulated, the other on hardware: compare cells of one kind"
    assert told(OVERLAY2, emulated) == told(emulated, OVERLAY2)
    assert told(on_host(OVERLAY2, virtualization="QEMU 7.2.22, KVM"), planned(emulated, cloud="qemu")) == told(emulated, OVERLAY2)
    assert told(emulated, target("overlay2", emulated=True)) == ""

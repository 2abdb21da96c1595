"""A VM's command line and the texts of its seed: what is open, what is private, what a boot needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from stacks import user_data, vm

CELL = "127.77.3.4"


def machine(**changes: object) -> vm.Vm:
    plain: dict[str, object] = {
        "name": "overlay2-ext4",
        "root": Path("/state/h/s/overlay2-ext4"),
        "image": Path("/cache/root.qcow2"),
        "kernel": Path("/cache/vmlinuz"),
        "cpus": 2,
        "memory_bytes": 1 << 30,
        "data_bytes": 8 << 30,
        "pool_bytes": 0,
        "images": {},
        "address": "127.77.1.2",
        "listeners": {CELL: (8333,)},
        "open_ports": True,
        "group": "230.77.1.1:17701",
        "accelerated": False,
    }
    return vm.Vm(**{**plain, **changes})  # type: ignore[arg-type] # a test's own shorthand


def words(**changes: object) -> str:
    return " ".join(vm.command(machine(**changes)))


def test_the_operator_reaches_a_cell_at_its_own_address_and_port_only() -> None:
    said = words()

    assert "hostfwd=tcp:127.77.3.4:8333-10.77.3.4:8333" in said
    assert said.count("hostfwd=") == 2, "SSH and the one port that was asked for"


def test_a_server_that_only_load_generators_may_reach_has_no_door_for_the_operator() -> None:
    said = words(open_ports=False)

    assert said.count("hostfwd=") == 1
    assert "8333" not in said


def test_every_forwarded_port_is_on_a_loopback_address() -> None:
    doors = [part for part in words().replace(" ", ",").split(",") if part.startswith("hostfwd=")]

    assert [door for door in doors if not door.startswith("hostfwd=tcp:127.77.")] == []


def test_an_emulated_cpu_lacks_the_instruction_that_kernels_die_of() -> None:
    assert "-cpu Nehalem,-cx16" in words()
    assert "-accel kvm -cpu host" in words(accelerated=True)


def test_one_thread_emulates_all_processors_for_with_several_a_kernel_dies_of_rewriting_itself() -> None:
    assert "-accel tcg,thread=single," in words(cpus=2)
    assert "-smp 2" in words(cpus=2)


def test_an_image_with_its_own_bootloader_gets_no_kernel_from_us() -> None:
    said = words(kernel=None)

    assert "-kernel" not in said
    assert "bootindex=0" in said


@pytest.mark.parametrize(("pool_bytes", "disks"), [(0, 0), (8 << 30, 1)])
def test_a_second_disk_is_there_when_a_driver_wants_one(pool_bytes: int, disks: int) -> None:
    assert words(pool_bytes=pool_bytes).count("serial=pool0") == disks


def test_a_container_image_comes_along_on_a_disk_that_cannot_be_written() -> None:
    said = words(images={"img-0123456789abcdef": Path("/cache/versitygw.tar")})

    assert "file=/cache/versitygw.tar,format=raw,readonly=on" in said
    assert "serial=img-0123456789abcdef" in said


def test_two_vms_never_share_a_hardware_address() -> None:
    cards = {
        word.rpartition("mac=")[2].partition(",")[0]
        for address in ("127.77.1.2", "127.77.1.3")
        for word in vm.command(machine(address=address))
        if "mac=" in word
    }

    assert len(cards) == 4


@pytest.mark.parametrize(("kernel", "said"), [(Path("/cache/vmlinuz"), "local"), (None, None)])
def test_only_an_image_of_our_own_is_set_up_before_there_is_a_network(kernel: Path | None, said: str | None) -> None:
    told = json.loads(vm.meta_data(machine(kernel=kernel), "of-this-time"))

    assert told.get("dsmode") == said
    assert told["instance-id"] == "of-this-time"


def test_the_private_network_has_the_vm_and_each_of_its_cells() -> None:
    config = json.loads(vm.network_config(machine()))

    addresses = [subnet["address"] for card in config["config"] for subnet in card["subnets"]]
    assert addresses == ["10.0.2.15/24", "10.77.1.2/16", "10.77.3.4/16"]


def test_user_data_is_what_cloud_init_reads_and_holds_the_set_up_word_for_word() -> None:
    script = "#!/bin/sh\necho 'a\tb' \"$ROOT\"\n\n# end: 100 %\n"

    text = user_data.render(host="h", public_key="ssh-ed25519 AAAA", up_script=script)

    assert text.startswith("#cloud-config\n")
    document = yaml.safe_load(text)
    assert next(file["content"] for file in document["write_files"] if file["path"].endswith("up.sh")) == script
    assert document["users"] == [{"name": "root", "ssh_authorized_keys": ["ssh-ed25519 AAAA"]}]
    # Nobody has a password; and setting this would restart SSH while the operator logs in.
    assert "ssh_pwauth" not in document


KEY, OLD_KEY = "ssh-ed25519 " + "A" * 68, "ssh-ed25519 " + "B" * 68


@pytest.mark.parametrize(
    ("console", "key"),
    [
        ("", ""),
        (f"noise\ncowbench-host-key {KEY}\nmore", KEY),
        (f"cowbench-host-key {KEY}", ""),  # the line may still be written
        (f"cowbench-host-key {KEY[:40]}\n", ""),
        (f"cowbench-host-key {OLD_KEY}\r\ncowbench-host-key {KEY}\r\n", KEY),
        ("cowbench-host-key ssh-rsa AAAA\n", ""),
    ],
)
def test_the_host_key_is_read_whole_or_not_at_all(console: str, key: str) -> None:
    assert user_data.host_key(console) == key

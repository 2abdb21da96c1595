"""Every machine image that the bench builds passes this, unchanged."""

from __future__ import annotations

import json

import pytest
import yaml

from bench import knowledge
from stacks import drivers, engines, image, machine_build, machine_contents, machine_definition, machine_image

PLANNED = {
    "kernel",
    "el7_build",
    "distro",
    "docker",
    "containerd",
    "runc",
    "arch",
    "cgroup",
    "rootless",
    "fuse_overlayfs_installed",
}
PROVIDED_BY = {"dockerd": "docker.io", "containerd": "docker.io", "runc": "docker.io", "lvm": "lvm2"}
"""Packages of programs for which no fact has a word; docker.io depends on the other two."""


@pytest.fixture(params=machine_image.names())
def name(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


def judged(name: str, **more: object) -> set[str]:
    """Texts of what is known to fail, given the driver and filesystem."""
    judgements = knowledge.judge({**machine_image.facts(name), "explicit": True, **more})
    return {judgement.text for judgement in judgements if judgement.outcome == "matched" and judgement.level == "error"}


def test_its_file_is_understood_and_begins_with_what_it_is_for(name: str) -> None:
    definition = machine_image.definition(name)
    assert definition.name == name
    assert definition.file.read_text().startswith("# ")


def test_its_facts_are_words_that_the_rules_know_and_enough_to_plan_with(name: str) -> None:
    facts = machine_image.facts(name)
    knowledge.judge(facts)
    assert facts.keys() >= PLANNED


def test_it_tells_whether_it_has_what_each_driver_needs_of_the_kernel(name: str) -> None:
    needed = {f"module_{module}" for driver in drivers.DRIVERS for module in drivers.load(driver).kernel_modules}
    assert machine_image.facts(name).keys() >= needed


def test_it_has_an_engine_that_the_bench_itself_starts(name: str) -> None:
    packages = {package.partition("/")[0] for package in machine_image.definition(name).packages}
    assert {PROVIDED_BY[binary] for binary in engines.load("distribution").binaries} <= packages
    masked = machine_definition.lines_of(machine_definition.shared() / "masked-units.txt")
    assert {"docker.service", "docker.socket", "containerd.service"} <= set(masked)


def test_it_can_be_reached_and_told_what_to_do(name: str) -> None:
    packages = machine_image.definition(name).packages
    assert {"openssh-server", "cloud-init"} <= set(packages)
    configuration = (machine_definition.shared() / "cloud.cfg").read_text()
    assert "scripts-per-boot" in configuration
    # It would restart SSH while the operator logs in.
    assert "set-passwords" not in yaml.safe_load(configuration)["cloud_config_modules"]
    assert "PasswordAuthentication no" in (machine_definition.shared() / "customize.sh").read_text()


def test_removed_drivers_are_predicted_to_fail_and_only_there(name: str) -> None:
    engine = str(machine_image.facts(name)["docker"])
    assert bool(judged(name, driver="devicemapper", fs="ext4")) == (int(engine.partition(".")[0]) >= 25)
    assert judged(name, driver="aufs", fs="ext4")
    assert not judged(name, driver="overlay2", fs="ext4", d_type=True)


def test_zfs_is_predicted_to_work_only_where_its_modules_were_compiled(name: str) -> None:
    assert bool(judged(name, driver="zfs", fs="zfs")) == ("zfs-dkms" not in machine_image.definition(name).packages)


def test_what_was_built_is_what_its_definition_states(name: str) -> None:
    definition = machine_image.definition(name)
    entry = f"{name}-{machine_definition.fingerprint(definition, machine_build.METHOD)}"
    manifest = image.cache_directory() / "machines" / entry / "manifest.json"
    if not manifest.exists():
        pytest.skip("not built on this machine; `make machine-images` builds it")
    built = json.loads(manifest.read_text())
    assert machine_contents.differences(definition.facts, built["facts"]) == ()
    assert built["facts"].keys() >= {"kernel", "distro", "docker", "containerd", "runc", "module_overlay", "tool_mkfs_xfs"}
    assert str(built["kernel_release"]).startswith(str(definition.facts["kernel"]))

"""One cell in a VM from end to end, where its machine image is in the cache: the failures that need a VM are in `tests/vms`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bench import store
from stacks import clouds, image, machine_build, machine_definition, machine_image
from tests.live import place as places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.place import Place

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]

IMAGE = "debian-trixie"
LIMIT_S = 400
"""A minute and a half on two idle cores without KVM."""


@pytest.fixture
def own_place() -> Iterator[Place]:
    if problems := clouds.load("qemu").problems():
        pytest.skip("; ".join(problems))
    if not is_built(IMAGE):
        pytest.skip(f"the machine image {IMAGE} is not built yet, which takes minutes: make machine-images")
    own = places.make(LIMIT_S)
    try:
        yield own
        own.assert_nothing_left()
    finally:
        own.remove()


def is_built(name: str) -> bool:
    """Whether the cache has the image of the present definition, without making it."""
    key = machine_definition.fingerprint(machine_image.definition(name), machine_build.METHOD)
    return (image.cache_directory() / "machines" / f"{name}-{key}" / "manifest.json").exists()


def test_a_cell_in_a_vm_is_brought_up_measured_reported_and_gone(own_place: Place) -> None:
    matrix = own_place.matrix("vm", axes={"cloud": ["qemu"], "machine_image": [IMAGE]}, load={"op_timeout": "20s"})

    ended = own_place.cowbench("bench", matrix, "--runs", own_place.runs)

    assert ended.code == 0, ended.said
    run, (result,) = store.read(own_place.run_folder), store.results(own_place.run_folder)
    (target,) = run.targets
    assert (result.problem, result.samples > 0) == ("", True)
    assert target.host.kernel.startswith("6.12.")
    assert target.host.storage_driver == "overlay2"
    assert target.host.machine_image_digest
    summary = json.loads((own_place.run_folder / "summary.json").read_text())
    assert summary["cells"][0]["emulated"] is target.host.emulated
    assert summary["cells"][0]["failed_ops"] == 0

"""Wishes for a kernel and the machine images that they give; what is known of distributions before they boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import knowledge
from bench.errors import InputError
from bench.records import Reference
from stacks import distributions, kernels, matrix, plan
from tests.unit import renting

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def rented(monkeypatch: pytest.MonkeyPatch) -> None:
    renting.register(monkeypatch)


def given(wish: str, cloud: str = "rented") -> str:
    return str(kernels.choose(cloud, kernels.wish(wish)).offer)


@pytest.mark.parametrize(
    ("wish", "image"),
    [
        ("6.1", "debian-12 (6.1)"),
        ("6", "debian-13 (6.12)"),
        ("6.12", "debian-13 (6.12)"),
        ("== 5.14", "rocky-9 (5.14.0)"),
        (">=6.1", "debian-12 (6.1)"),
        (">6.1", "debian-13 (6.12)"),
        (">=5,<6", "rocky-9 (5.14.0)"),
        ("<6", "rocky-9 (5.14.0)"),
        ("<=5.14", "rocky-9 (5.14.0)"),
        ("<5", "centos-7 (3.10.0)"),
        ("3.10.0", "centos-7 (3.10.0)"),
    ],
)
def test_a_wish_gives_the_image_whose_kernel_is_nearest_to_it(wish: str, image: str) -> None:
    assert given(wish) == image


def test_of_two_images_with_the_same_kernel_the_clouds_first_is_taken() -> None:
    assert renting.IMAGES.index("debian-13") < renting.IMAGES.index("rocky-10")
    assert given(">=6.12") == "debian-13 (6.12)"


def test_a_kernel_that_is_known_exactly_comes_before_one_that_clouds_move_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(">=6.8") == "debian-13 (6.12)"
    monkeypatch.setattr(renting, "IMAGES", ("ubuntu-24.04",))
    renting.register(monkeypatch)

    assert given(">=6.8") == "ubuntu-24.04 (6.8 or newer)"


@pytest.mark.parametrize("wish", ["6.8", "<=6.8", ">=6.8,<6.9"])
def test_an_image_with_a_moving_kernel_is_never_sure_to_have_an_old_one(wish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renting, "IMAGES", ("ubuntu-24.04",))
    renting.register(monkeypatch)

    assert "is sure to have a kernel" in kernels.choose("rented", wish).reason


def test_the_local_cloud_has_the_kernel_of_this_machine_alone() -> None:
    (here,) = kernels.offered("local")

    assert given(">=3", "local") == str(here)
    assert kernels.choose("local", "<3").offer is None


@pytest.mark.parametrize("text", ["", "latest", "6.x", "=>6", ">=", "6.1,6.2", ">=6,5", "6.1.2.3", "6 1", ">=6,,<7"])
def test_what_is_no_wish_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no kernel to ask for"):
        kernels.wish(text)


def test_a_wish_that_cannot_be_had_is_left_out_with_what_there_is_and_the_others_are_built() -> None:
    made = plan.plan(renting.wanted({"kernel": ("6.1", "2.6")}), plan.facts_of)

    assert [cell.machine_image for cell in made.cells] == ["debian-12"]
    (left,) = made.left_out
    assert "no machine image of rented is sure to have a kernel 2.6; it has debian-12 (6.1)" in left.reason
    assert (left.source, bool(left.fix)) == ("stacks.kernels", True)


def test_every_cell_knows_its_kernel_and_every_wish_what_it_gave() -> None:
    made = plan.plan(renting.wanted({"kernel": ("6.1", ">=6.8")}), plan.facts_of)

    assert [made.kernel(cell) for cell in made.cells] == ["6.1", "6.12"]
    assert [(choice.wish, str(choice.offer)) for choice in made.kernels] == [
        ("6.1", "debian-12 (6.1)"),
        (">=6.8", "debian-13 (6.12)"),
    ]


def test_two_wishes_that_one_image_fulfils_are_one_cell() -> None:
    made = plan.plan(renting.wanted({"kernel": ("6.1", ">=6.1", "6.12", ">=6.8")}), plan.facts_of)

    assert [cell.machine_image for cell in made.cells] == ["debian-12", "debian-13"]
    assert len(made.kernels) == 4


def read(folder: Path, axes: str, more: str = "") -> matrix.Matrix:
    path = folder / "matrix.yaml"
    load = "load: {workloads: {op: put, object_size: 4KiB}}\n"
    path.write_text(f"schema: 1\nname: small\naxes: {{{axes}}}\n{more}{load}", encoding="utf-8")
    return matrix.read(path)


def test_kernels_stand_in_the_file_in_place_of_machine_images(tmp_path: Path) -> None:
    read_back = read(tmp_path, 'cloud: rented, kernel: [">= 6.8", "6.1"]')

    assert read_back.axes == {"cloud": ("rented",), "kernel": (">=6.8", "6.1")}
    assert [cell.machine_image for cell in plan.expand(read_back)] == ["debian-13", "debian-12"]


def test_an_entry_of_include_replaces_kernels_by_images_and_images_by_kernels(tmp_path: Path) -> None:
    to_images = read(tmp_path, 'cloud: rented, kernel: "6.1"', "include: [{machine_image: rocky-9}]\n")
    to_kernels = read(tmp_path, "cloud: rented, machine_image: rocky-9", 'include: [{kernel: "6.1"}]\n')

    assert [cell.machine_image for cell in plan.expand(to_images)] == ["debian-12", "rocky-9"]
    assert [cell.machine_image for cell in plan.expand(to_kernels)] == ["rocky-9", "debian-12"]


def test_a_reference_may_name_a_kernel_that_is_one_image(tmp_path: Path) -> None:
    assert read(tmp_path, 'cloud: rented, kernel: ["6.1", "5.14"]', 'reference: {kernel: "5.14"}\n').reference == Reference(
        axes={"machine_image": "rocky-9"}
    )


def test_a_reference_by_a_kernel_that_is_another_image_on_each_cloud_is_refused(tmp_path: Path) -> None:
    several = "cloud: [rented, qemu], driver: overlay2"
    with pytest.raises(InputError, match=r"debian-12 \(6.1\) on rented and debian-bookworm \(6.1\) on qemu") as caught:
        read(tmp_path, several, 'reference: {kernel: "6.1"}\n')

    assert "name a machine_image" in caught.value.next_step
    only = read(tmp_path, several, 'reference: {kernel: "6.1", cloud: qemu}\n').reference
    assert only == Reference(axes={"cloud": "qemu", "machine_image": "debian-bookworm"})


# --- distributions


@pytest.mark.parametrize("name", distributions.names())
def test_what_is_said_of_a_distribution_can_be_judged(name: str) -> None:
    facts = distributions.facts(name)

    assert knowledge.judge(facts)
    assert not {"like", "kernel_at_least"} & set(facts)
    # One of the two, where either is known.
    assert not ("kernel" in facts and distributions.kernel_at_least(name))


def test_every_distribution_that_clouds_are_asked_for_is_there() -> None:
    wanted = {"debian": (11, 12, 13), "rocky": (8, 9, 10), "alma": (8, 9, 10), "rhel": (7, 8, 9, 10), "centos": (7,)}
    named = {f"{name}-{version}" for name, versions in wanted.items() for version in versions}
    named |= {f"ubuntu-{version}" for version in ("18.04", "20.04", "22.04", "24.04", "26.04")}
    named |= {"centos-stream-9", "centos-stream-10", "amazon-linux-2", "amazon-linux-2023", "opensuse-leap", "sles-15", "fedora"}

    assert set(distributions.names()) == named


def test_enterprise_linux_7_is_known_by_its_build_and_no_other_kernel_is_taken_for_it() -> None:
    assert distributions.facts("rhel-7")["el7_build"] == "1160"
    assert {distributions.facts(name)["el7_build"] for name in distributions.names() if not name.endswith("-7")} == {None}


def test_what_a_distribution_cannot_do_is_left_out_of_the_plan() -> None:
    images = ("debian-12", "rocky-9", "centos-7")
    axes = {"machine_image": images, "driver": ("overlay2", "btrfs"), "engine": ("distribution", "docker_ce")}

    made = plan.plan(renting.wanted(axes), plan.facts_of)

    kept = {(cell.machine_image, cell.driver, cell.engine) for cell in made.cells}
    assert kept == {
        ("debian-12", "overlay2", "distribution"),
        ("debian-12", "overlay2", "docker_ce"),
        ("debian-12", "btrfs", "distribution"),
        ("debian-12", "btrfs", "docker_ce"),
        ("rocky-9", "overlay2", "docker_ce"),
        ("centos-7", "overlay2", "docker_ce"),
        ("centos-7", "btrfs", "docker_ce"),
    }
    reasons = {(left.cell.machine_image, left.cell.driver, left.cell.engine): left.reason for left in made.left_out}
    assert "rocky:9 packages no Docker engine of its own" in reasons["rocky-9", "overlay2", "distribution"]
    assert "without btrfs" in reasons["rocky-9", "btrfs", "docker_ce"]

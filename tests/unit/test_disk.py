"""Disks as an axis has them: kind, size, and the speed that some clouds sell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks import axes, disk
from stacks.disk import Disk
from tests.unit import renting


def test_a_disk_is_read_with_the_speed_that_it_names() -> None:
    assert disk.read("gp3-100GiB+6000iops+250MiBps") == Disk(kind="gp3", size_bytes=100 << 30, iops=6000, bytes_per_s=250 << 20)
    assert disk.read("loop-8GiB") == Disk(kind="loop", size_bytes=8 << 30)


def test_a_kind_may_have_dashes_and_underscores() -> None:
    assert disk.read("pd-balanced-10GiB").kind == "pd-balanced"
    assert disk.read("PremiumV2_LRS-10GiB+3000iops").kind == "PremiumV2_LRS"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("gp3", "its kind, a dash and its size"),
        ("-8GiB", "its kind, a dash and its size"),
        ("gp3-8gib", "is no unit of size"),
        ("gp3-1MiB", "from 1GiB to 64TiB"),
        ("gp3-8GiB+0iops", r"\+0iops is no speed"),
        ("gp3-8GiB+6000", r"\+6000 is no speed"),
        ("gp3-8GiB+", r"\+ is no speed"),
        ("gp3-8GiB+1iops+2iops", "given twice"),
    ],
)
def test_what_is_no_disk_is_refused_with_the_reason(written: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        disk.read(written)


@given(
    st.builds(
        Disk,
        kind=st.from_regex(r"[a-z][a-z0-9_-]{0,9}[a-z]", fullmatch=True),
        size_bytes=st.integers(1 << 10, 1 << 20).map(lambda mib: mib << 20),
        iops=st.none() | st.integers(1, 500_000),
        bytes_per_s=st.none() | st.integers(1, 10_000).map(lambda mib: mib << 20),
    )
)
def test_a_disk_that_is_written_is_read_back(some: Disk) -> None:
    assert disk.read(disk.text(some)) == some


def test_only_clouds_with_an_account_sell_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    renting.register(monkeypatch)

    assert axes.disk("ssd-102400MiB+250MiBps+6000iops", "rented") == "ssd-100GiB+6000iops+250MiBps"
    for here in ("loop-8GiB+100iops", "loop-8GiB+1MiBps"):
        with pytest.raises(ValueError, match="local sells no speed; write loop-8GiB"):
            axes.disk(here, "local")


def test_speed_that_is_left_out_is_that_of_the_clouds_usual_disk_of_the_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = renting.cloud()
    named = replace(offered, axes={**offered.axes, "disk": ("ssd-100GiB", "fast-100GiB+3000iops+140MiBps")})
    renting.register(monkeypatch, named)

    assert axes.disk("fast-20GiB", "rented") == "fast-20GiB+3000iops+140MiBps"
    assert axes.disk("fast-20GiB+6000iops", "rented") == "fast-20GiB+6000iops+140MiBps"
    assert axes.disk("ssd-20GiB", "rented") == "ssd-20GiB"


@pytest.mark.parametrize(
    ("cloud", "written", "told"),
    [
        # EC2 refuses one whose IOPS nobody says; Google gives more than is free, by the disk's size.
        ("aws", "io2-40GiB", "io2-40GiB+3000iops"),
        ("gcp", "hyperdisk-balanced-50GiB", "hyperdisk-balanced-50GiB+3000iops+140MiBps"),
        # These have some for nothing, and get no more.
        ("aws", "gp3-40GiB", "gp3-40GiB"),
        ("azure", "PremiumV2_LRS-64GiB", "PremiumV2_LRS-64GiB"),
    ],
)
def test_no_cloud_is_left_to_choose_a_speed_that_is_paid_for(cloud: str, written: str, told: str) -> None:
    assert axes.disk(written, cloud) == told


def test_the_size_of_the_matrix_takes_the_usual_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    renting.register(monkeypatch)

    assert axes.usual("rented", "20GiB")["disk"] == "ssd-20GiB"

"""The kernel axis and the mark of emulation, in every report."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from bench.host_words import image_name, pool, series, without_paths
from bench.records import Reference
from bench.report import driving, kernels, load, machines, pictures, reading, tables
from bench.report.kernel_picture import by_kernel as draw_by_kernel
from bench.report.labels import places
from bench.report.outcome import outcome
from bench.report.words import alarms, headline, title
from tests.unit.example_run import example
from tests.unit.kernel_run import kernel_example

if TYPE_CHECKING:
    from bench.records import Run
    from bench.report.table import Table

WORKLOAD = "put-256KiB"
OWN = f"/srv/images/rocky-9.4.qcow2#sha256={'ab' * 32}"


def on_hosts(run: Run, **facts: Any) -> Run:
    return replace(run, targets=tuple(replace(one, host=replace(one.host, **facts)) for one in run.targets))


def texts(table: Table) -> list[list[str]]:
    return [[entry.text for entry in row] for group in table.groups for row in group.rows]


def test_where_kernels_are_compared_one_driver_stands_together_and_the_reference_first() -> None:
    run, summary = kernel_example()

    assert [place.label for place in places(run, summary).values()] == [
        "overlay2 · 6.1 (bookworm)",
        "overlay2 · 5.10 (bullseye)",
        "overlay2 · 6.12 (trixie)",
        "overlay · 5.10 (bullseye)",
        "devicemapper · 5.10 (bullseye)",
        "devicemapper · 6.1 (bookworm)",
        "zfs · 6.1 (bookworm-zfs)",
    ]


def test_where_they_are_not_compared_each_kernel_is_a_group() -> None:
    run, summary = kernel_example()
    within = replace(run, reference=Reference(axes={"driver": "overlay2"}))

    assert list(dict.fromkeys(place.group for place in places(within, summary).values())) == [
        "emulated, 5.10 (bullseye)",
        "emulated, 6.1 (bookworm)",
        "emulated, 6.12 (trixie)",
        "emulated, 6.1 (bookworm-zfs)",
    ]


def test_a_user_s_own_image_is_called_by_its_file_everywhere() -> None:
    run, summary = kernel_example()
    cells = {cell.name: replace(cell, machine_image=OWN) for cell in run.plan if cell.machine_image == "debian-trixie"}
    own = replace(
        run,
        plan=tuple(cells.get(cell.name, cell) for cell in run.plan),
        targets=tuple(replace(one, cell=cells.get(one.cell.name, one.cell)) for one in run.targets),
        left_out=tuple(replace(one, cell=replace(one.cell, machine_image=OWN)) for one in run.left_out),
    )

    assert "overlay2 · 6.12 (rocky-9.4)" in {place.label for place in places(own, summary).values()}
    for name in ("html", "markdown", "junit", "csv"):
        text = load(name).render(replace(own, matrix_text=""), summary)
        assert "/srv/images" not in text
        assert "rocky-9.4" in text


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        (OWN, "rocky-9.4.qcow2"),
        (f"https://mirror.example/a/b.img?raw=1#sha256={'0' * 64}", "b.img"),
        (f"/my images/c d.img#sha256={'0' * 64}", "c d.img"),
        ("debian-trixie", "debian-trixie"),
    ],
)
def test_an_image_is_named_by_its_file_or_its_definition(reference: str, name: str) -> None:
    assert image_name(reference) == name


def test_a_sentence_loses_the_path_of_an_image_and_nothing_else() -> None:
    said = f"no cell with machine_image {OWN}, driver overlay2 stands beside it; see a/b (c/d)"

    assert without_paths(said) == "no cell with machine_image rocky-9.4.qcow2, driver overlay2 stands beside it; see a/b (c/d)"


def test_a_kernel_s_series_is_its_first_two_numbers() -> None:
    assert [series(one) for one in ("5.10.0-33-cloud-amd64", "6.12.48", "4.18.0-553.el8_10", "next")] == [
        "5.10",
        "6.12",
        "4.18",
        "next",
    ]


def test_drivers_by_kernels_hold_rates_and_ratios_and_say_why_a_spot_is_empty() -> None:
    table = kernels.by_kernel(*kernel_example(), WORKLOAD)

    assert table is not None
    assert [head.text for head in table.heads[1:]] == ["5.10 (bullseye)", "6.1 (bookworm)", "6.12 (trixie)", "6.1 (bookworm-zfs)"]
    assert [group.title for group in table.groups] == ["", "emulated: throughput, MiB/s", "emulated: ratio to the reference"]
    rows = texts(table)
    assert rows[0] == ["engine of the image", "20.10.5", "20.10.24", "26.1.5", "20.10.24"]
    assert [row[0] for row in rows[1:]] == ["overlay2", "overlay", "devicemapper", "zfs"] * 2
    assert rows[5][1:4] == ["▼ 0.93\u00d7", "1", "▲ 1.11\u00d7"]
    devicemapper = table.groups[1].rows[2]
    assert devicemapper[3].note.startswith("left out: Docker 25.0 removed devicemapper")
    assert devicemapper[4].note == "not in the matrix"


def test_one_kernel_is_no_axis() -> None:
    run, summary = example()

    assert kernels.by_kernel(run, summary, WORKLOAD) is None
    assert draw_by_kernel(run, summary, WORKLOAD) == ""
    assert kernels.meaning(run) == ""
    assert "From kernel to kernel" not in load("html").render(run, summary)


def test_what_was_not_measured_leaves_the_picture_and_stays_in_the_table_with_its_reason() -> None:
    run, summary = kernel_example()
    nothing = replace(summary, cells=(), comparisons=())
    table = kernels.by_kernel(run, nothing, WORKLOAD)

    assert draw_by_kernel(run, nothing, WORKLOAD) == ""
    assert table is not None
    assert {entry.note for entry in table.groups[1].rows[0][1:]} == {"no trial was measured", "not in the matrix"}


def test_what_a_ratio_between_kernels_means_is_said_by_what_changed_with_them() -> None:
    run, _ = kernel_example()
    within = replace(run, reference=Reference(axes={"driver": "overlay2"}))

    assert kernels.meaning(run).startswith(
        "Kernel and engine change together (5.10 (bullseye) with engine 20.10.5, 6.1 (bookworm) with engine 20.10.24, "
    )
    assert kernels.meaning(run).endswith("the effect of the pair and of all else that the images bring, not of the kernel alone.")
    assert kernels.meaning(on_hosts(run, engine_version="28.3")).startswith("One engine ran on all kernels")
    assert kernels.meaning(on_hosts(run, kernel="6.1.0")).endswith("is the effect of the engine.")
    assert "name a machine_image in the reference" in kernels.meaning(within)


@pytest.mark.parametrize("name", ["html", "markdown"])
def test_the_meaning_stands_above_the_verdicts(name: str) -> None:
    text = load(name).render(*kernel_example())

    assert 0 < text.index("Kernel and engine change together") < text.index("1.11\u00d7")


def test_machines_are_told_by_image_and_storage_by_host() -> None:
    run, _ = kernel_example()
    shared, by_image = machines.machines(run)
    _, by_host = machines.storage(run)

    assert shared["virtualisation"] == "QEMU 7.2.22, emulated"
    assert by_image is not None
    assert texts(by_image)[0][:4] == ["5.10 (bullseye)", "debian-bullseye", "5.10.0-33-cloud-amd64", "20.10.5+dfsg1"]
    assert len(texts(by_image)) == 4
    assert by_host is not None
    assert [row[2] for row in texts(by_host) if "devicemapper" in row[0]] == ["devicemapper, loop-lvm"] * 2


@pytest.mark.parametrize(
    ("facts", "fact", "told"),
    [
        ({"storage_driver": "devicemapper", "driver_status": {"Pool Name": "p"}}, "storage driver", "devicemapper, direct-lvm"),
        ({"storage_driver": "overlayfs", "image_store": "containerd"}, "image store", "containerd's snapshotter"),
        ({"backing_filesystem": "xfs", "mkfs": "mkfs.xfs -m crc=0 -n ftype=0"}, "backing filesystem", "xfs with ftype=0"),
    ],
)
def test_variants_of_drivers_and_filesystems_are_named(facts: dict[str, Any], fact: str, told: str) -> None:
    run, _ = kernel_example()
    shared, _ = machines.storage(on_hosts(run, **facts))

    assert shared[fact] == told


def test_hosts_of_one_image_that_differ_are_told_apart_by_their_names() -> None:
    run, _ = kernel_example()
    first = replace(run.targets[0], host=replace(run.targets[0].host, cpus=4))
    _, table = machines.machines(replace(run, targets=(first, *run.targets[1:])))

    assert table is not None
    assert texts(table)[0][0] == f"5.10 (bullseye): {first.cell.host}"


def test_only_devicemapper_has_a_pool() -> None:
    facts = kernel_example()[0].targets[0].host

    assert pool(replace(facts, storage_driver="overlay2")) == ""


def test_every_number_of_an_emulated_cell_carries_the_mark() -> None:
    run, summary = kernel_example()
    rows = list(csv.DictReader(io.StringIO(load("csv").render(run, summary))))
    comparisons = ET.fromstring(load("junit").render(run, summary)).findall("testsuite[@name='cowbench.comparisons']/testcase")
    found = [sentence for sentence in headline(run, summary) if "\u00d7" in sentence]
    numbers = [tables.at_a_glance(run, summary)]
    numbers += [table for name in (WORKLOAD, "get-256KiB") for table in (tables.measured(run, summary, name),)]
    drawn = [pictures.trials(run, summary, WORKLOAD), pictures.ratios(run, summary, WORKLOAD, "reference")]
    drawn += [pictures.quantiles(run, summary, WORKLOAD), draw_by_kernel(run, summary, WORKLOAD)]

    assert {row["emulated"] for row in rows} == {"true"}
    assert {row["kernel"] for row in rows} == {one.host.kernel for one in run.targets}
    assert comparisons
    assert [case for case in comparisons if case.find("properties/property[@name='emulated'][@value='true']") is None] == []
    assert len(found) == 2
    assert [sentence for sentence in found if ", emulated, " not in sentence] == []
    assert {group.title for table in numbers for group in table.groups} == {"emulated"}
    assert ["emulated" in picture for picture in drawn] == [True] * 4


def test_hardware_and_emulated_cells_are_kept_apart() -> None:
    run, summary = kernel_example()
    first = run.targets[3]
    mixed = replace(
        run, targets=tuple(replace(one, host=replace(one.host, emulated=False)) if one is first else one for one in run.targets)
    )

    assert {place.cell for place in places(mixed, summary).values() if place.group != "emulated"} == {first.cell.name}
    assert title(mixed).endswith("2 workloads, partly emulated")
    assert "6 hosts of 7 ran without hardware virtualisation" in alarms(mixed, summary)[0]


def test_emulation_is_explained_before_any_number() -> None:
    run, summary = kernel_example()

    assert title(run) == "7 configurations of storage driver and kernel \u00d7 2 workloads, emulated"
    (said,) = alarms(run, summary)
    assert said.startswith("Emulated: all hosts ran without hardware virtualisation, every instruction translated")
    assert "never compared with hardware" in said
    assert alarms(on_hosts(run, emulated=False), summary) == ()


def test_junit_stays_in_the_order_that_its_readers_want() -> None:
    run, summary = kernel_example()
    refused = replace(summary.comparisons[0], verdict="refused", ratio=None, reason="no reference")
    root = ET.fromstring(load("junit").render(run, replace(summary, comparisons=(refused,))))
    (case,) = root.findall("testsuite[@name='cowbench.comparisons']/testcase")

    assert [child.tag for child in case] == ["properties", "skipped", "system-out"]
    assert all(suite[0].tag == "properties" for suite in root.findall("testsuite"))


def test_the_way_through_the_user_mode_network_is_said_to_be_measured_too() -> None:
    alone, _ = kernel_example()
    inside, _ = kernel_example(generators=1)

    assert [any("user-mode network" in limit for limit in reading.limits(run)) for run in (alone, inside)] == [True, False]
    assert [any("generators were emulated too" in limit for limit in reading.limits(run)) for run in (alone, inside)] == [
        False,
        True,
    ]
    assert all(any("share cores" in limit for limit in reading.limits(run)) for run in (alone, inside))
    assert not any("user-mode" in limit for limit in reading.limits(example()[0]))


def test_kvm_beside_bare_metal_is_said() -> None:
    run, _ = kernel_example()
    kvm = on_hosts(run, emulated=False, virtualization="QEMU 7.2.22, KVM")
    metal = replace(kvm.targets[0], host=replace(kvm.targets[0].host, virtualization=""))

    assert not any("hypervisor" in limit for limit in reading.limits(kvm))
    assert any("hypervisor" in limit for limit in reading.limits(replace(kvm, targets=(metal, *kvm.targets[1:]))))


def test_where_the_load_came_from_is_told_with_what_happened_on_the_way() -> None:
    alone, summary = kernel_example()
    run, _ = kernel_example(generators=2)
    lost = replace(summary, cells=(replace(summary.cells[0], stamps={"worker_lost": 2}), *summary.cells[1:]))
    told = driving.origin(run, lost)

    assert driving.origin(alone, summary) == {"load came from": "the operator's machine"}
    assert told["load came from"] == "2 hosts of their own, steered from the operator's machine"
    assert told["load generator qemu-generator-1"].startswith("qemu, here; kernel 6.1.0-40-cloud-amd64; engine 20.10.24")
    assert told["load generator's image"] == "sha256:5ca1ab1e0ddb"
    assert told["connections to them"].startswith("2 connections to load generators were lost and made again")
    assert told["trials with a lost generator"] == "2"
    assert driving.origin(replace(run, findings=()), summary)["connections to them"] == "never lost"
    assert "operator's kernel" in driving.client(run)
    assert "generator's kernel" in driving.client(alone)


def test_cells_of_a_place_without_a_generator_are_said_to_be_driven_from_here() -> None:
    run, summary = kernel_example(generators=1)
    local = replace(run.targets[0], cell=replace(run.targets[0].cell, cloud="local"))

    assert "from the operator's machine" not in driving.origin(run, summary)
    told = driving.origin(replace(run, targets=(local, *run.targets[1:])), summary)
    assert told["from the operator's machine"] == "local, here"


def test_clocks_are_shown_with_their_uncertainty() -> None:
    table = driving.clocks(kernel_example(generators=2)[0])

    assert table is not None
    assert texts(table)[0] == ["qemu-generator-0", "+0.0123 ± 0.0021", "2026-11-22T19:00:00+00:00"]
    assert driving.clocks(kernel_example()[0]) is None


def test_a_tail_that_is_not_compared_is_said_to_be_missing_and_why() -> None:
    run, summary = kernel_example()
    with_tail = replace(summary, comparisons=(*summary.comparisons, replace(summary.comparisons[0], metric="latency_p90_s")))

    assert reading.tails(summary, WORKLOAD) == (
        "Tail latencies are not compared: that takes 100 successful ops in a typical trial for p90, 1000 for p99; here it had"
        " 39. Longer trials give them."
    )
    assert reading.tails(with_tail, WORKLOAD) == ""
    assert reading.tails(replace(summary, comparisons=()), WORKLOAD) == ""
    for name in ("html", "markdown"):
        assert load(name).render(run, summary).count("Tail latencies are not compared") == 2


def test_a_quantile_that_is_missing_says_how_many_ops_it_takes() -> None:
    notes = tables.measured(*kernel_example(), WORKLOAD).notes

    assert notes == (
        "too few successes stand behind p99: it takes 1000 in a cell's sound trials",
        "too few successes stand behind p99.9: it takes 10\u202f000 in a cell's sound trials",
    )


def test_a_program_gets_folder_exit_code_and_verdicts_as_json() -> None:
    run, summary = kernel_example()
    told = json.loads(json.dumps(outcome(run, summary, Path("runs/a"), 4)))

    assert (told["folder"], told["exit_code"], told["sound"], told["emulated"]) == ("runs/a", 4, True, True)
    assert len(told["verdicts"]) == len(summary.comparisons)
    assert told["verdicts"][0]["cell"] == summary.comparisons[0].cell
    assert told["headline"] == list(headline(run, summary))


def test_a_hostile_image_name_is_printable_in_table_and_picture() -> None:
    run, summary = kernel_example()
    cells = {cell.name: replace(cell, machine_image="a\x00<b>") for cell in run.plan if cell.machine_image == "debian-trixie"}
    hostile = replace(run, plan=tuple(cells.get(cell.name, cell) for cell in run.plan))

    assert "<b>" not in draw_by_kernel(hostile, summary, WORKLOAD)
    assert not re.search("\x00", load("markdown").render(hostile, summary))

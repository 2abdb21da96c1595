"""What the README says is so: names, matrix keys and defaults, links, tables, the picture."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bench import checks, clients, report, workloads
from bench.records import AXES
from bench.report.tables import MARKS
from stacks import axes, clouds, drivers, engines, hosts, logs, machine_definition, machine_image, matrix, plan, servers
from stacks.value import Value
from tests.docs.documents import DOCUMENTS, ROOT, anchors, code, fences, links, prose, rows, text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from bench.records import Load

FAMILIES = {
    "cloud": clouds.CLOUDS,
    "engine": engines.ENGINES,
    "driver": drivers.DRIVERS,
    "server": servers.SERVERS,
    "workload": workloads.WORKLOADS,
    "client": clients.CLIENTS,
    "check": checks.CHECKS,
    "report": report.REPORTS,
}
WHOLE_MATRICES = [body for document in DOCUMENTS for body in fences(document, "yaml") if body.startswith("schema:")]
MOST_PICTURE_BYTES = 400_000


@pytest.mark.parametrize("family", FAMILIES)
def test_every_member_is_named(family: str) -> None:
    assert set(FAMILIES[family]) - code("README.md") == set()


def test_the_drivers_run_on_the_filesystems_that_the_readme_lists() -> None:
    said = {row[0].strip("`"): tuple(row[1].split(", ")) for row in rows("README.md", "driver")}

    assert said == {name: drivers.load(name).backing_filesystems for name in drivers.DRIVERS}


def test_every_axis_has_a_row() -> None:
    assert [row[0].strip("`") for row in rows("README.md", "axis")] == list(AXES)


@pytest.mark.parametrize("cloud", clouds.CLOUDS)
def test_every_value_of_a_clouds_axes_is_named(cloud: str) -> None:
    said = code("README.md")

    assert {axis: set(values or ()) - said for axis, values in clouds.load(cloud).axes.items() if set(values or ()) - said} == {}
    assert {axis for axis, value in axes.usual(cloud, "").items() if value not in said} == set()


@pytest.mark.parametrize("document", ["README.md", "images/README.md"])
def test_the_machine_images_are_those_that_can_be_built(document: str) -> None:
    """With the kernel and the engine that their definitions promise."""
    said = {row[0].strip("`"): (row[1].split()[0], row[2]) for row in rows(document, "machine image")}
    promised = {name: machine_image.facts(name) for name in machine_image.names()}

    assert said == {
        name: (".".join(str(facts["kernel"]).split(".")[:2]), str(facts["docker"])) for name, facts in promised.items()
    }


def test_the_machine_image_that_is_shown_whole_is_the_one_in_use() -> None:
    (shown,) = (body for body in fences("README.md", "toml") if "[facts]" in body)

    assert shown == (machine_definition.FOLDER / "debian-bookworm-backports.toml").read_text(encoding="utf-8")


def test_every_part_of_a_log_is_named() -> None:
    assert set(logs.PARTS) - code("README.md") == set()


def test_every_matrix_that_comes_along_is_linked() -> None:
    assert {f"stacks/matrices/{path.name}" for path in (ROOT / "stacks/matrices").glob("*.yaml")} - set(
        links("README.md")
    ) == set()


def test_the_kernel_bench_is_as_large_as_the_readme_says() -> None:
    wanted = matrix.read(ROOT / "stacks/matrices/kernels.yaml")
    cells, load = plan.expand(wanted), wanted.load
    vms = hosts.targets("a", cells, load.generators)
    trials = len(cells) * len(load.workloads) * load.blocks

    assert (
        f"{len(cells)} cells on {len(vms)} VMs under {len(load.workloads)} workloads in {load.blocks} blocks, {trials}\ntrials"
        in prose("README.md")
    )


def test_the_cells_of_the_one_vm_are_called_as_the_readme_calls_them(tmp_path: Path) -> None:
    (whole,) = (each for each in WHOLE_MATRICES if "name: one-vm" in each)
    cells = plan.expand(matrix.read(written(tmp_path, whole)))
    said = set(re.findall(r"\bqemu-[a-z0-9-]+-(?:layer|volume)-[a-z0-9-]+", text("README.md")))

    assert said == {cell.name for cell in cells}
    assert f"one-vm/ssh/{cells[0].host}.config {cells[0].host}" in text("README.md")


@pytest.mark.parametrize("whole", WHOLE_MATRICES, ids=lambda whole: whole.split("\n")[1][:30])
def test_a_matrix_that_is_shown_is_accepted(whole: str, tmp_path: Path) -> None:
    read = matrix.read(written(tmp_path, whole))

    assert read.text == whole


def test_every_key_that_the_reader_knows_is_in_the_complete_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader itself is asked which keys it looks for."""
    known: set[str] = set()
    ask = Value.mapping

    def noting(self: Value, *, required: Collection[str] = (), optional: Collection[str]) -> Mapping[str, Value]:
        known.update(required, optional)
        return ask(self, required=required, optional=optional)

    monkeypatch.setattr(Value, "mapping", noting)
    matrix.read(written(tmp_path, WHOLE_MATRICES[0]))
    # Axes have a table of their own.
    keys = known - set(AXES)
    shown = set(re.findall(r"([a-z_0-9]+):", WHOLE_MATRICES[0]))

    assert keys >= {"schema", "load", "op_timeout", "part_size"}
    assert keys - shown == set(workloads.MIXABLE) - {"get", "overwrite"}


def test_what_a_key_is_when_left_out_is_what_the_readme_says(tmp_path: Path) -> None:
    said = dict(re.findall(r"`(concurrency|duration|warm_up|objects|part_size)` (\w+)", prose("README.md")))
    shown = re.findall(
        r"^  ((?:blocks|client|expect_100_continue|verify_share|op_timeout): \S+)", WHOLE_MATRICES[0], re.MULTILINE
    )
    spelled = ", ".join(f"{key}: {value}" for key, value in said.items())

    assert (len(said), len(shown)) == (5, 5)
    assert load(tmp_path, ["seed: 1"], "") == load(tmp_path, ["seed: 1", *shown], f", {spelled}")


def test_the_mix_when_left_out_is_what_the_readme_says(tmp_path: Path) -> None:
    assert "`mix` 0.7 get and 0.3 put" in prose("README.md")
    assert load(tmp_path, [], "", op="mixed").workloads == load(tmp_path, [], ", mix: {get: 0.7, put: 0.3}", op="mixed").workloads


def load(folder: Path, keys: list[str], workload: str, op: str = "put") -> Load:
    """The load that a small matrix gives, with more keys of the load and of its workload; without the name."""
    lines = [f"  {key}" for key in [*keys, f"workloads: [{{op: {op}, object_size: 4KiB{workload}}}]"]]
    whole = "\n".join(["schema: 1", "name: left-out", "axes: {driver: overlay2}", "load:", *lines])
    read = matrix.read(written(folder, whole)).load
    return replace(read, seed=1)


def written(folder: Path, whole: str) -> Path:
    """A matrix file."""
    path = folder / "matrix.yaml"
    path.write_text(whole, encoding="utf-8")
    return path


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    missing = []
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = (ROOT / document).parent / path if path else ROOT / document
        if not target.exists() or (anchor and anchor not in anchors(str(target.relative_to(ROOT)))):
            missing.append(link)

    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_document_speaks_of_one_machine(document: str) -> None:
    assert re.findall(r"(?<![\w.~])/(?:root|home|work|tmp|Users)/\S*", text(document)) == []


def test_files_that_the_prose_names_exist() -> None:
    named = {span for document in ("README.md", "CONTRIBUTING.md") for span in code(document)}
    # What the reader is to make, and what a run makes.
    made = {"stacks/servers/versitydirect.py", "bench/workloads/hot.py"}
    paths = {span for span in named if re.fullmatch(r"(?:bench|stacks|tools|tests|images|docs)/[\w./-]+", span)} - made

    assert len(paths) > 5
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_the_signs_are_the_reports() -> None:
    assert {row[0] for row in rows("README.md", "sign")} >= set(MARKS.values())


def test_the_excerpts_have_the_columns_of_a_report() -> None:
    """Against a report that is kept word for word."""
    real = headers(text("tests/golden/report/complete/report.md"))
    excerpts = [header for body in fences("README.md", "text") for header in headers(body)]

    assert len(excerpts) == 2
    assert [header for header in excerpts if header not in real] == []


def headers(markdown: str) -> list[list[str]]:
    """The header of each table."""
    return [[cell.strip() for cell in line.split("|")] for line in re.findall(r"^\| cell .*$", markdown, re.MULTILINE)]


def test_the_picture_is_a_small_png() -> None:
    picture = (ROOT / "docs/report.png").read_bytes()

    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(picture) < MOST_PICTURE_BYTES


def test_the_licence_is_the_one_that_the_package_declares() -> None:
    assert "Apache License\n                           Version 2.0, January 2004" in text("LICENSE")
    assert 'license = "Apache-2.0"' in text("pyproject.toml")

"""Reading a matrix file: what it says, what it leaves out, and that no text whatever makes the reader stumble."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import InputError
from bench.records import Generators, Reference, Workload
from stacks import clouds, drivers, matrix, plan, quantity

MATRICES = sorted((Path(matrix.__file__).parent / "matrices").glob("*.yaml"))

SMALL = """\
schema: 1
name: small
axes:
  driver: overlay2
load:
  workloads: {op: put, object_size: 4KiB}
"""

WITH_GENERATORS = """\
schema: 1
name: small
axes:
  cloud: qemu
  driver: overlay2
load:
  generators: {generators}
  workloads: {{op: put, object_size: 4KiB}}
"""

FULL = """\
schema: 1
name: full
axes:
  cloud: local
  driver: [overlay2, btrfs]
  server: [seaweedfs, versitygw]
  data_placement: volume
include:
  - {driver: overlay2, backing_filesystem: [xfs, btrfs]}
  - driver: vfs
exclude:
  - {driver: btrfs, server: [versitygw]}
reference: {driver: btrfs}
disk_size: 16384MiB
load:
  blocks: 9
  seed: 42
  client: boto3
  expect_100_continue: true
  verify_share: 1
  op_timeout: 2m
  workloads:
    - op: mixed
      name: mine
      object_size: 1.5MiB
      concurrency: 16
      duration: 1.5m
      warm_up: 0
      objects: 7
      part_size: 64KB
      mix: {get: 0.5, put: 0.25, range: 0.25}
    - {op: multipart, object_size: 64MiB}
"""


def read(folder: Path, text: str) -> matrix.Matrix:
    path = folder / "matrix.yaml"
    path.write_text(text, encoding="utf-8")
    return matrix.read(path)


def test_a_full_matrix_is_read_as_it_stands(tmp_path: Path) -> None:
    full = read(tmp_path, FULL)

    assert full.name == "full"
    assert full.text == FULL
    assert full.path == tmp_path / "matrix.yaml"
    assert full.axes == {
        "cloud": ("local",),
        "driver": ("overlay2", "btrfs"),
        "server": ("seaweedfs", "versitygw"),
        "data_placement": ("volume",),
    }
    assert full.include == ({"driver": ("overlay2",), "backing_filesystem": ("xfs", "btrfs")}, {"driver": ("vfs",)})
    assert full.exclude == ({"driver": ("btrfs",), "server": ("versitygw",)},)
    assert full.reference == Reference(axes={"driver": "btrfs"})
    assert full.disk_size == "16GiB"
    assert full.place("include[1]") == f"{full.path}:10:5 include[1]"
    assert full.place("no such part") == str(full.path)
    load = full.load
    assert (load.blocks, load.seed, load.client, load.expect_100_continue) == (9, 42, "boto3", True)
    assert (load.verify_share, load.op_timeout_s) == (1.0, 120.0)
    assert load.workloads[0] == Workload(
        name="mine",
        op="mixed",
        object_size_bytes=3 << 19,
        concurrency=16,
        duration_s=90.0,
        warm_up_s=0.0,
        objects=7,
        part_size_bytes=64_000,
        mix={"get": 0.5, "put": 0.25, "range": 0.25},
    )


def test_what_is_left_out_takes_its_default(tmp_path: Path) -> None:
    small = read(tmp_path, SMALL)

    assert (small.include, small.exclude, small.disk_size) == ((), (), "")
    assert small.reference == Reference(axes={"driver": "overlay2", "backing_filesystem": "ext4"})
    load = small.load
    assert (load.blocks, load.client, load.expect_100_continue) == (6, "boto3", False)
    assert (load.verify_share, load.op_timeout_s) == (0.1, 10.0)
    assert load.workloads == (
        Workload(
            name="put-4KiB",
            op="put",
            object_size_bytes=4096,
            concurrency=2,
            duration_s=1.0,
            warm_up_s=0.1,
            objects=32,
            part_size_bytes=5 << 20,
            mix={},
        ),
    )


@pytest.mark.parametrize(
    ("written", "count", "instance_type", "machine_image"),
    [
        ("1", 1, "", ""),
        ("{count: 16}", 16, "", ""),
        ("{count: 2, instance_type: 2cpu-1GiB, machine_image: debian-bookworm}", 2, "2cpu-1GiB", "debian-bookworm"),
    ],
)
def test_load_generators_are_counted_and_the_rest_is_the_clouds_own(
    tmp_path: Path, written: str, count: int, instance_type: str, machine_image: str
) -> None:
    load = read(tmp_path, WITH_GENERATORS.format(generators=written)).load

    assert load.generators == Generators(count=count, instance_type=instance_type, machine_image=machine_image)


def test_without_a_word_of_generators_there_are_none(tmp_path: Path) -> None:
    assert read(tmp_path, SMALL).load.generators is None


def test_mixed_without_shares_takes_the_usual_ones(tmp_path: Path) -> None:
    (workload,) = read(tmp_path, SMALL.replace("op: put", "op: mixed")).load.workloads

    assert workload.mix == {"get": 0.7, "put": 0.3}


def test_a_seed_that_is_left_out_is_drawn(tmp_path: Path) -> None:
    seeds = {read(tmp_path, SMALL).load.seed for _ in range(8)}

    assert len(seeds) == 8
    assert all(0 <= seed < 1 << 63 for seed in seeds)


def test_workloads_without_a_name_get_one_of_their_own(tmp_path: Path) -> None:
    listed = "\n    - {op: put, object_size: 1024}\n    - {op: put, object_size: 1KiB}\n    - {op: put, object_size: 1KB}"

    workloads = read(tmp_path, SMALL.replace("{op: put, object_size: 4KiB}", listed)).load.workloads

    assert [workload.name for workload in workloads] == ["put-1KiB", "put-1KiB-2", "put-1000B"]


def test_a_list_of_one_may_be_written_without_brackets(tmp_path: Path) -> None:
    bare = read(tmp_path, SMALL + "include: {driver: vfs}\nexclude: []\n")
    listed = read(tmp_path, SMALL.replace("driver: overlay2", "driver: [overlay2]") + "include: [{driver: [vfs]}]\n")

    assert (bare.axes, bare.include, bare.exclude) == (listed.axes, listed.include, listed.exclude)


def test_words_that_yaml_takes_for_something_else_stay_words(tmp_path: Path) -> None:
    assert read(tmp_path, SMALL.replace("name: small", "name: no")).name == "no"
    assert read(tmp_path, SMALL.replace("name: small", "name: 2026-01-01")).name == "2026-01-01"
    assert read(tmp_path, SMALL.replace("driver: overlay2", 'driver: "overlay2"')).axes == {"driver": ("overlay2",)}


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())

    assert matrix.read(path).name == "small"


def test_axes_that_name_nothing_give_the_one_cell_of_all_defaults(tmp_path: Path) -> None:
    (cell,) = plan.expand(read(tmp_path, SMALL.replace("  driver: overlay2", "  {}")))

    assert cell.name == "local-overlay2-ext4-seaweedfs-layer"


@pytest.mark.usefixtures("rented")
def test_an_axis_whose_values_are_not_known_takes_any_word_but_not_any_text(tmp_path: Path) -> None:
    image = "ami-0abc/Debian_12:latest"
    text = SMALL.replace("driver: overlay2", f"cloud: rented\n  machine_image: {image}")

    assert read(tmp_path, text).axes["machine_image"] == (image,)
    with pytest.raises(InputError, match="is no machine_image"):
        read(tmp_path, text.replace(image, "a b"))


@pytest.mark.parametrize("path", MATRICES, ids=lambda path: path.stem)
def test_every_matrix_that_comes_with_cowbench_is_named_after_its_file_and_has_cells(path: Path) -> None:
    shipped = matrix.read(path)

    assert shipped.name == path.stem
    assert plan.expand(shipped)
    assert path.read_text(encoding="utf-8").startswith("#")


def test_the_default_matrix_allows_comparisons_of_six_drivers_and_their_control_arm() -> None:
    default = matrix.read(MATRICES[0].with_name("default.yaml"))
    cells = plan.expand(default)

    on_every_host = {name for name in drivers.DRIVERS if not drivers.load(name).wants_whole_disk}
    graph_drivers = {name for name in on_every_host if drivers.load(name).image_store == "graphdriver"}
    assert {cell.driver for cell in cells} == graph_drivers
    assert {cell.backing_filesystem for cell in cells if cell.driver == "overlay2"} == {"ext4", "xfs"}
    assert len([cell for cell in cells if cell.data_placement == "volume"]) * 2 == len(cells) == 18
    assert default.load.blocks >= 6
    assert len(default.load.workloads) >= 3


@pytest.fixture
def rented(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second cloud, which takes any machine image."""
    local = clouds.load("local")
    other = replace(local, name="rented", axes={**local.axes, "machine_image": None, "region": ("north", "south")})
    monkeypatch.setattr(clouds, "CLOUDS", ("local", "rented"))
    monkeypatch.setattr(clouds, "load", {"local": local, "rented": other}.__getitem__)


# --- sizes and durations


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1", 1),
        ("4096", 4096),
        ("17B", 17),
        ("4KiB", 4096),
        ("4 KiB", 4096),
        ("4KB", 4000),
        ("1.5KiB", 1536),
        ("0.5MiB", 1 << 19),
        ("64MiB", 64 << 20),
        ("1GiB", 1 << 30),
        ("1GB", 10**9),
        ("2TiB", 2 << 40),
    ],
)
def test_a_size_is_read_in_bytes(text: str, size_bytes: int) -> None:
    assert quantity.size_bytes(text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "KiB", "-1", "+1", "1,5KiB", "1e3", "0.1B", "4KiBB", "4K", "4kib", " 4KiB", "4KiB ", "٤KiB", "1_0"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"this is no|is no unit"):
        quantity.size_bytes(text)


@given(st.integers(min_value=1, max_value=1 << 50))
def test_a_size_that_is_written_is_read_back(size_bytes: int) -> None:
    assert quantity.size_bytes(quantity.size_text(size_bytes)) == size_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("300ms", 0.3),
        ("100ms", 0.1),
        ("1s", 1.0),
        ("1.5s", 1.5),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("5us", 5e-6),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert quantity.duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "-1s", "1sec", "1 minute", "inf", "nan", "1:30", "s", "1M"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"this is no|is no unit|is missing"):
        quantity.duration_s(text)


# --- any text at all


def reads_or_refuses(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refusal: InputError | None = None
    try:
        plan.expand(matrix.read(path))
    except InputError as error:
        refusal = error

    assert refusal is None or (refusal.what and refusal.next_step and refusal.where.startswith(str(path)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:-[]{},#&*!|>'\"%@`?~ \n\t\r\u2028\x85é\ufeff1.")) | st.binary())
def test_any_text_is_read_or_refused_with_an_error_that_helps(tmp_path: Path, content: str | bytes) -> None:
    reads_or_refuses(tmp_path / "any.yaml", content if isinstance(content, bytes) else content.encode())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(
    start=st.integers(0, len(FULL)),
    length=st.integers(0, 12),
    put=st.text(alphabet=st.sampled_from("[]{}:-,#&*!'\" \n\t0129aeKB.~"), max_size=4),
)
def test_a_matrix_with_a_slip_in_it_is_read_or_refused_with_an_error_that_helps(
    tmp_path: Path, start: int, length: int, put: str
) -> None:
    reads_or_refuses(tmp_path / "slip.yaml", (FULL[:start] + put + FULL[start + length :]).encode())


def test_a_server_image_by_digest_is_taken_as_it_stands(tmp_path: Path) -> None:
    reference = f"registry.example/s3/seaweedfs@sha256:{'0a' * 32}"
    named = read(tmp_path, SMALL + f"server_images: {{seaweedfs: '{reference}'}}\n")

    assert named.server_images == {"seaweedfs": reference}


def test_without_server_images_every_image_is_built_here(tmp_path: Path) -> None:
    assert read(tmp_path, SMALL).server_images == {}

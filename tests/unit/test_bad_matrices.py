"""Every bad matrix gives one clear error: file, line and key, what is wrong, what to do; and exit code 2."""

import re
import time
from pathlib import Path

import pytest

from bench.errors import InputError
from stacks import matrix, plan

FOLDER = Path(__file__).parent / "bad_matrices"
FILES = sorted(FOLDER.glob("*.yaml"))
EXPECT = re.compile(r"# expect: (?P<part>.+) @ (?P<line>\d+)(?: (?P<key>\S+))?")


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        plan.plan(matrix.read(path), lambda _: {})
    return caught.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bad_matrix_gives_one_error_that_names_line_and_key(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    expected = EXPECT.fullmatch(first)
    assert expected, f"{path.name} begins with no `# expect: part @ line key`"

    error = refused(path)

    assert error.exit_code == 2
    assert expected["part"] in f"{error.what} {error.next_step}"
    place, _, key = error.where.removeprefix(f"{path}:").partition(" ")
    assert place.split(":")[0] == expected["line"], error
    assert key == (expected["key"] or ""), error
    assert error.next_step
    assert len(str(error)) < 2000


def test_there_are_enough_bad_matrices_and_each_fault_has_its_own() -> None:
    contents = {path.read_bytes() for path in FILES}

    assert len(contents) == len(FILES) >= 65


def test_a_billion_cells_are_refused_at_once_without_expanding_them() -> None:
    began = time.process_time()

    error = refused(FOLDER / "billion_cells.yaml")

    assert "1000000000 cells" in error.what
    # Expanding a billion cells takes minutes and all memory; a second of CPU time is far from either.
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"# only a comment\n", "the file is empty"),
        (b"---\n", "nothing stands where keys with values are meant"),
        (b"\x7fELF\x02\x01\x01\x00\xff\xfe", "not a text file"),
        (b"schema: 1\x00", "a control character"),
        ("schema: 1".encode("utf-16"), "not a text file"),
        (b"a" * (1 << 20) + b"\n", "larger than 1MiB"),
        (b"[" * 500_000, "nested too deeply"),
        (b"a: " + b"{a: " * 100_000, "nested too deeply"),
        (b"%YAML 9.9\n---\nschema: 1\n", "not valid YAML"),
    ],
    ids=["empty", "blank", "comment", "null", "elf", "nul", "utf16", "large", "deep_list", "deep_mapping", "directive"],
)
def test_a_file_that_no_comment_can_stand_in_is_refused_as_well(tmp_path: Path, content: bytes, part: str) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_bytes(content)

    error = refused(path)

    assert part in error.what
    assert error.where.startswith(str(path))
    assert error.next_step


def test_a_missing_file_a_directory_and_a_device_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "missing.yaml").what
    assert "directory" in refused(tmp_path).what
    assert "no such file" in refused(Path("/dev/zero")).what
    assert "cannot be read" in refused(tmp_path / ("x" * 300)).what

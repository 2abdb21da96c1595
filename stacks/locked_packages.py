"""Python packages exactly as `uv.lock` names them, installed into a folder for another Python than the one that runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DeployError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_INSTALL_LIMIT_S = 600.0
_PLATFORMS = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}


def requirements(lock: str, wanted: Iterable[str]) -> str:
    """Return `wanted` and all they depend on as lines of a requirements file, sorted, with version, hashes and conditions.

    `lock` is the text of a uv.lock. Conditions are for the installer to judge: a package of another system is listed too.

    Raises:
        InputError: the lock has no such package.
    """
    packages: dict[str, Any] = {package["name"]: package for package in tomllib.loads(lock)["package"]}
    conditions: dict[str, set[str]] = defaultdict(set)
    waiting: list[tuple[str, str, tuple[str, ...]]] = [(name, "", ()) for name in wanted]
    seen = set()
    while waiting:
        name, condition, extras = waiting.pop()
        conditions[name].add(condition)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        if name not in packages:
            raise InputError(f"uv.lock has no package `{name}`", next_step="add it to pyproject.toml and run `uv lock`")
        waiting += _dependencies(packages[name], extras)
    return "".join(f"{_line(packages[name], conditions[name])}\n" for name in sorted(conditions))


def _dependencies(package: Mapping[str, Any], extras: tuple[str, ...]) -> list[tuple[str, str, tuple[str, ...]]]:
    optional = package.get("optional-dependencies", {})
    each = [*package.get("dependencies", ()), *(entry for extra in extras for entry in optional.get(extra, ()))]
    return [(entry["name"], entry.get("marker", ""), tuple(entry.get("extra", ()))) for entry in each]


def _line(package: Mapping[str, Any], conditions: set[str]) -> str:
    files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
    hashes = "".join(f" --hash={digest}" for digest in sorted({file["hash"] for file in files}))
    # Needed without a condition by one of those that need it: needed without a condition.
    condition = "" if "" in conditions else " or ".join(f"({each})" for each in sorted(conditions))
    return f"{package['name']}=={package['version']}{f' ; {condition}' if condition else ''}{hashes}"


def install(lines: str, into: Path, *, python: str, architecture: str, uv: Path) -> None:
    """Install the requirements `lines` for Python `python` into the folder `into`; wheels only, each checked by its hash.

    Raises:
        DeployError: a package cannot be had.
    """
    listed = into.with_suffix(".requirements")
    listed.write_text(lines)
    command = [str(uv), "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--python", sys.executable, "--python-version", python, "--python-platform", _PLATFORMS[architecture]]
    # Copies: what is left out of the folder afterwards must stay in uv's own cache.
    command += ["--link-mode", "copy", "--target", str(into), "--requirements", str(listed)]
    env = {"UV_SYSTEM_CERTS": "true", **{name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}}
    try:
        subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=_INSTALL_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise DeployError(
            f"fetching Python packages took longer than {_INSTALL_LIMIT_S:.0f} s", next_step="check the network, then try again"
        ) from error
    except subprocess.CalledProcessError as error:
        last_lines = "\n".join(error.stderr.strip().splitlines()[-10:])
        raise DeployError(
            f"the locked Python packages could not be installed:\n{last_lines}",
            next_step="check the network; in a closed one set UV_DEFAULT_INDEX to an index that this host reaches",
        ) from error
    finally:
        listed.unlink()


def uv_at_hand(cache: Path) -> Path:
    """Return the uv on PATH, else the one that set-up put into the cache. Raises DeployError where there is neither."""
    found = shutil.which("uv") or shutil.which("uv", path=str(cache / "bin"))
    if not found:
        raise DeployError("uv is not there, which installs the load generator's packages", next_step="run `make setup`")
    return Path(found)

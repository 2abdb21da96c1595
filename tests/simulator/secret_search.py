"""Looks for every secret in use wherever one must not be: state, logs, run folders, user-data, command lines, environments."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from bench.generator.process import CREDENTIALS_VARIABLE
from tests.simulator import settings
from tests.simulator.cloud_side import open_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ALLOWED_FILES = ("credential.json", "key", "passphrase")
"""Where secrets are kept, each of mode 0600."""

_CARRIES_KEYS = CREDENTIALS_VARIABLE
"""The variable by which a load generator's own process is given S3 keys."""


@dataclass
class Search:
    """Secrets are gathered while a campaign runs, since they go with their stacks; `found` says where one must not have been."""

    state: Path
    simulator: Path
    secrets: dict[str, str] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Gather what is in use now, and look at what lives now: command lines, environments, user-data."""
        self.secrets.update(_secrets(self.state))
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                words = " ".join(process.cmdline())
                self._report(words, f"the command line of process {process.name()}")
                environment = {name: value for name, value in process.environ().items() if name != _CARRIES_KEYS}
                self._report(json.dumps(environment), f"the environment of process {process.name()}")
        for cloud in settings.read(self.simulator).clouds:
            kinds, rows = settings.read(self.simulator).member(cloud).kinds, open_cloud(self.simulator, cloud).table
            for row in rows.rows():
                self._report(json.dumps([row.inputs, row.outputs], default=str), f"what {cloud} knows of {row.name}")
                machine = kinds[row.kind].machine(rows, row)
                self._report(machine.user_data if machine else "", f"the user-data of {row.name}")

    def look_into(self, *folders: Path) -> None:
        """Look into every file of these folders but those that secrets are kept in, which must be nobody else's to read."""
        for path in _files(*folders):
            if path.name in _ALLOWED_FILES:
                if path.stat().st_mode & 0o077:
                    self.found.add(f"{path} is not of mode 0600")
            else:
                self._report(path.read_bytes().decode(errors="replace"), str(path))

    def _report(self, text: str, where: str) -> None:
        for name, secret in tuple(self.secrets.items()):
            if secret in text:
                self.found.add(f"{name} is in {where}")


def _secrets(state: Path) -> Iterator[tuple[str, str]]:
    for path in state.glob("stacks/*/credential.json"):
        with contextlib.suppress(OSError, ValueError):
            yield from _strings(json.loads(path.read_text()), f"an S3 key of {path.parent.name}")
    for path in state.glob("stacks/*/ssh/key"):
        with contextlib.suppress(OSError):
            # A line from the middle: the first and last are those of all keys, and JSON writes line ends in its own way.
            yield f"the SSH key of {path.parent.parent.name}", path.read_text().splitlines()[2]
    with contextlib.suppress(OSError):
        yield "the passphrase", (state / "passphrase").read_text().strip()


def _strings(value: object, name: str) -> Iterator[tuple[str, str]]:
    """The leaves, but not the access keys: they are names, and S3 sends them in the clear."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key != "access_key":
                yield from _strings(each, f"{name} ({key})")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            if number:
                yield from _strings(each, name)
    elif isinstance(value, str):
        yield name, value


def _files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        for path in folder.rglob("*"):
            # Disks and images of VMs are the hosts' own, and huge.
            if path.is_file() and path.suffix not in {".qcow2", ".raw", ".iso", ".img", ".tar"}:
                yield path

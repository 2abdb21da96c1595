"""How a simulator was started, kept in its directory: its parts are processes of their own and read it there."""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.simulator.member import SimulatedCloud

DIRECTORY = "COWBENCH_SIMULATOR"
"""The environment variable that names a simulator's directory."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`clouds` are those simulated, `modules` says where a member lies that is not in `tests.simulator.clouds`.

    VMs are booted for `machines`, each with at most `most_memory_bytes`, whatever its instance type has. `pace` is a factor on
    how long the real cloud takes. For `eventual_s` seconds something new is not found by reads and by the API.
    """

    clouds: tuple[str, ...]
    modules: Mapping[str, str] = field(default_factory=dict)
    machines: tuple[str, ...] = ()
    most_memory_bytes: int = 1 << 30
    pace: float = 0.0
    eventual_s: float = 0.0

    def member(self, cloud: str) -> SimulatedCloud:
        """The member of that name. Raises ImportError when there is none."""
        module = importlib.import_module(self.modules.get(cloud, f"tests.simulator.clouds.{cloud}"))
        found: SimulatedCloud = module.SIMULATED
        return found


def read(directory: Path) -> Settings:
    """The settings of the simulator in this directory. Raises FileNotFoundError when there is none."""
    kept: dict[str, Any] = json.loads(_file(directory).read_text())
    return Settings(**{**kept, "clouds": tuple(kept["clouds"]), "machines": tuple(kept["machines"])})


def write(directory: Path, settings: Settings) -> None:
    """Keep them; whoever reads meanwhile gets the old ones or the new ones whole."""
    draft = _file(directory).with_suffix(".draft")
    draft.write_text(json.dumps(asdict(settings), indent=1))
    draft.replace(_file(directory))


def change(directory: Path, **changes: Any) -> None:
    """Change some while the simulator runs: the next request counts by them."""
    write(directory, replace(read(directory), **changes))


def _file(directory: Path) -> Path:
    return directory / "settings.json"

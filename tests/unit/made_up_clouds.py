"""Clouds with an account that do not exist, registered beside the real ones for one test. Nothing asks a network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bench.errors import DeployError
from stacks import clouds
from stacks.cloud import Account, Belonging, Features
from stacks.policy import Meaning

if TYPE_CHECKING:
    import pytest

    from bench.records import Cell
    from stacks.cloud import Cloud

FAILURES = {
    "throttled": (r"slow down",),
    "capacity": (r"nothing left",),
    "quota": (r"limit .* reached",),
    "credentials_expired": (r"token is expired",),
    "not_found_yet": (r"does not exist",),
    "internal": (r"internal error",),
}


@dataclass
class MadeUp:
    """What a made-up cloud answers, and what it was asked. `broken` makes every question fail."""

    name: str
    zones: tuple[str, ...] = ("a", "b")
    types: tuple[str, ...] = ("2cpu-1GiB", "large", "larger", "small")
    there: list[Belonging] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    """Ids that cannot be removed while `there` has anything before them."""
    asked: list[str] = field(default_factory=list)
    broken: str = ""

    def account(self) -> Account:
        return Account(
            image_id=self._image_id,
            zones=self._zones,
            instance_types=self._instance_types,
            belongings=self._belongings,
            remove=self._remove,
            meanings={f"{self.name}:index:Server": lambda inputs: Meaning(labels=inputs["labels"])},
            failures=FAILURES,
            images=("debian-12", "debian-13"),
        )

    def cloud(self) -> Cloud:
        local = clouds.load("local")
        features = Features(
            needs_account=True,
            needs_root=False,
            chooses_kernel=True,
            own_images=False,
            on_this_machine=False,
            whole_disks=True,
            reached_by_ssh=True,
            private_network=True,
            address_per_cell=False,
            sells_spot=True,
        )
        return replace(
            local,
            name=self.name,
            features=features,
            axes={
                **local.axes,
                "region": None,
                "instance_type": None,
                "machine_image": ("debian-12", "debian-13"),
                "disk": ("ssd-20GiB",),
            },
            defaults={"region": "middle", "instance_type": "large"},
            default_disk="ssd-20GiB",
            facts=lambda _cell: {"kernel": "6.1"},
            problems=lambda: (self.broken,) if self.broken else (),
            account=self.account(),
        )

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.broken:
            raise DeployError(self.broken, where=f"cloud {self.name}", next_step="mend it")

    def _image_id(self, region: str, image: str) -> str:
        self._ask(f"{region}/{image}")
        return f"{self.name}-{region}-{image}"

    def _zones(self, region: str) -> tuple[str, ...]:
        self._ask(f"zones of {region}")
        return self.zones

    def _instance_types(self, region: str) -> tuple[str, ...]:
        self._ask(f"types of {region}")
        return self.types

    def _belongings(self, regions: tuple[str, ...]) -> tuple[Belonging, ...]:
        self._ask(f"belongings in {', '.join(regions)}")
        return tuple(each for each in self.there if not regions or each.region in regions)

    def _remove(self, belonging: Belonging) -> None:
        self._ask(f"remove {belonging.id}")
        if belonging.id in self.held and self.there and self.there[-1] != belonging:
            raise DeployError("still in use", where=belonging.id, next_step="wait")
        if belonging in self.there:
            self.there.remove(belonging)


def register(monkeypatch: pytest.MonkeyPatch, *names: str) -> tuple[MadeUp, ...]:
    """Clouds of these names, known everywhere until the test ends."""
    made = {name: MadeUp(name) for name in names}
    real = clouds.load
    monkeypatch.setattr(clouds, "CLOUDS", (*clouds.CLOUDS, *names))
    monkeypatch.setattr(clouds, "load", lambda name: made[name].cloud() if name in made else real(name))
    return tuple(made.values())


def belonging(id_: str, *, cloud: str = "far", run: str = "", owner: str = "me", expires_at: float = 2e9) -> Belonging:
    return Belonging(
        cloud=cloud, region="middle", kind="vm", id=id_, name=f"name-{id_}", owner=owner, run=run, expires_at=expires_at
    )


def apart(*cells: Cell) -> tuple[Cell, ...]:
    """The cells with hosts that are named after their clouds, as a plan does it."""
    return tuple(replace(cell, host=f"{cell.cloud}-{cell.host}") for cell in cells)

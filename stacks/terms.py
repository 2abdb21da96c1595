"""On what terms hosts are rented: whose they are, for how long, for how much, and who may reach them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LIFETIME_S = 6 * 3600
DEADLINE_S = 45 * 60


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the `deploy` part of a matrix says. It concerns clouds with an account alone.

    `owner` is empty for the operator's own name. `operator` is the address (CIDR) that reaches the hosts, empty to be found.
    `budget` is in `currency`, None for no limit. `zones` are tried in this order, by region; `instead_of` names, by instance
    type, those to try when a zone has none left. `deadline_s` is how long a deployment may take before it is given up.
    """

    owner: str = ""
    lifetime_s: int = LIFETIME_S
    operator: str = ""
    budget: float | None = None
    currency: str = ""
    spot: bool = False
    zones: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    instead_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    deadline_s: int = DEADLINE_S


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What was settled when a stack was first made, and holds until it is gone: a second `up` must not change any of it.

    `owner`, `operator` and `expires_at` (Unix time) as in `Terms`, found where they were left out. `image_ids` has the machine
    images by `cloud/region/name`, as the cloud called them then. `zones` by `cloud/region`, `instance_types` by the type that
    was asked for: what is used in place of one that had run out.
    """

    owner: str
    operator: str
    expires_at: float
    lifetime_s: int
    spot: bool
    image_ids: Mapping[str, str] = field(default_factory=dict)
    zones: Mapping[str, str] = field(default_factory=dict)
    instance_types: Mapping[str, str] = field(default_factory=dict)

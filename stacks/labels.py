"""What everything in an account carries: whose it is, which run made it, when it may go. Pure; every cloud takes such words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stacks import state

if TYPE_CHECKING:
    from collections.abc import Mapping

OWNER, RUN, EXPIRES = "cowbench-owner", "cowbench-run", "cowbench-expires"
KEYS = (OWNER, RUN, EXPIRES)

_LIMIT = 63
"""Of a label's value on GCP and Hetzner, the strictest: small letters, digits, dashes and underscores."""


def of(stack: str, owner: str, expires_at: float) -> dict[str, str]:
    """The labels of a stack of this state directory. `expires_at` is Unix time; the label has whole seconds."""
    return {OWNER: word(owner), RUN: run(stack), EXPIRES: str(int(expires_at))}


def run(stack: str) -> str:
    """The mark of one stack of one state directory: two operators may give their stacks the same name."""
    return word(state.owner(stack, ""))


def word(text: str) -> str:
    """The text in letters that every cloud takes: `Ann.Lee@example.org` → `ann-lee-example-org`."""
    return re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:_LIMIT].rstrip("-")


def expires_at(labels: Mapping[str, str]) -> float:
    """When what carries them may go, Unix time; 0, long ago, when nobody can tell: it is ours, and nobody waits for it."""
    text = labels.get(EXPIRES, "")
    return float(text) if text.isdigit() else 0.0

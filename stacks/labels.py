"""What everything in an account carries: whose it is, which run made it, when it may go. Every cloud takes such words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypedDict

from stacks import parts, state

if TYPE_CHECKING:
    from collections.abc import Mapping

OWNER, RUN, EXPIRES = "cowbench-owner", "cowbench-run", "cowbench-expires"
KEYS = (OWNER, RUN, EXPIRES)

_LIMIT = 63
"""Of a label's value on GCP and Hetzner, the strictest: small letters, digits, dashes and underscores."""


def of(stack: str, owner: str, expires_at: float) -> dict[str, str]:
    """The labels of a stack of this state directory. `expires_at` is Unix time; the label has whole seconds."""
    return {OWNER: word(owner), RUN: run(stack), EXPIRES: str(int(expires_at))}


def run(part: str) -> str:
    """The mark of one stack, or one part of it, of one state directory: two operators may give their stacks the same name.

    `5f3a9c01-clouds`, and of its part on a cloud `5f3a9c01--aws-clouds`: not all clouds take dots in names, and no stack's name
    begins with a hyphen. Raises DeployError when the state directory cannot be used.
    """
    cloud = parts.cloud_of(part)
    return word(f"{state.account_mark()}-{cloud and f'-{cloud}-'}{parts.stack_of(part)}")


class Told(TypedDict):
    """What something in an account says of itself: whose it is, which run made it, when it may go (Unix time)."""

    owner: str
    run: str
    expires_at: float


def told(labels: Mapping[str, str]) -> Told:
    """What labels say; empty where they do not, and then it may go now."""
    return {"owner": labels.get(OWNER, ""), "run": labels.get(RUN, ""), "expires_at": expires_at(labels)}


def names(run: str, stack: str) -> bool:
    """Whether the label is that of a stack of this name, or of a part of one, whichever state directory's it is."""
    return re.fullmatch(rf"[^-]+-(?:-[a-z0-9]+-)?{re.escape(stack)}", run) is not None


def word(text: str) -> str:
    """The text in letters that every cloud takes: `Ann.Lee@example.org` → `ann-lee-example-org`."""
    return re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:_LIMIT].rstrip("-")


def expires_at(labels: Mapping[str, str]) -> float:
    """When what carries them may go, Unix time; 0, long ago, when nobody can tell: it is ours, and nobody waits for it."""
    text = labels.get(EXPIRES, "")
    return float(text) if text.isdigit() else 0.0

"""How clouds bill time: in steps, and from a least time on. The plan and the report reckon alike."""

from __future__ import annotations

import math

LEAST_BILLED_S = 60.0
"""What clouds that bill by the second bill at least (AWS, GCP, Azure: "per-second billing, one-minute minimum")."""


def billed_s(stood_s: float, step_s: int) -> float:
    """The seconds that are paid for where something stood for `stood_s` and time is billed in steps of `step_s`."""
    return math.ceil(max(stood_s, LEAST_BILLED_S) / step_s) * step_s

"""Version numbers as the programs of a host print them, and their order."""

from __future__ import annotations

import re

Version = tuple[tuple[int, ...], int, int]
"""Release numbers without trailing zeros, the stage (`_STAGES`), the number of the stage. Tuples order as versions do."""

_NUMBERS = re.compile(r"(?:\d+:)?(?:docker-)?v?(\d+(?:\.\d+)*)")
_STAGE = re.compile(r"[-~.](dev|tp|alpha|beta|rc)[-.]?(\d+)")
_STAGES = {"dev": 0, "tp": 0, "alpha": 1, "beta": 2, "rc": 3}
_RELEASED = 9


def version(text: str) -> Version | None:
    """The version in `text`, or None when it does not begin with one.

    Packaging is dropped (`5:24.0.7-1~debian.12`, `17.03.2-ce`, `docker-v29.7.2`, `1.4.1-3.1.el7`); a pre-release sorts before its
    release (1.0.0-rc93 < 1.0.0), also in Debian's spelling (`1.0.0~rc93`).
    """
    match = _NUMBERS.match(text.strip())
    if match is None:
        return None
    numbers = [int(number) for number in match[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    stage = _STAGE.search(text, match.end())
    if stage is None:
        return tuple(numbers), _RELEASED, 0
    return tuple(numbers), _STAGES[stage[1]], int(stage[2])

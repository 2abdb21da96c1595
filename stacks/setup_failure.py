"""What a host's set-up said when it failed → one error with the cause and what to do next."""

from __future__ import annotations

from bench import knowledge
from bench.errors import DeployError

_OTHERWISE = "read the log above; leave the cell out of the matrix, or choose another driver or filesystem"


def explained(said: str, *, host: str) -> DeployError:
    """The last line of what was said is why it failed; the lines before it are shown, with what they are known to mean."""
    *before, why = said.splitlines() or ["the set-up said nothing"]
    tail = "".join(f"\n    {line}" for line in before)
    meanings = knowledge.explain(said)
    meaning = "".join(f"\n  means: {cause}" for cause in dict.fromkeys(each.cause for each in meanings))
    next_step = meanings[0].cure if meanings else _OTHERWISE
    return DeployError(f"{why.removeprefix('cowbench: ')}{tail}{meaning}", where=f"host {host}", next_step=next_step)

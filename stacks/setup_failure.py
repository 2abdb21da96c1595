"""What a host, its engine or its server said when it failed → the cause where it is known, and what to do next."""

from __future__ import annotations

from bench import knowledge
from bench.errors import DeployError

_OTHERWISE = "read the log above; leave the cell out of the matrix, or choose another driver or filesystem"


def meaning(said: str, otherwise: str) -> tuple[str, str]:
    """The lines that tell what is known of it, and what to do: `otherwise` where nothing is."""
    meanings = knowledge.explain(said)
    causes = "".join(f"\n  means: {cause}" for cause in dict.fromkeys(each.cause for each in meanings))
    return causes, meanings[0].cure if meanings else otherwise


def explained(said: str, *, host: str) -> DeployError:
    """The last line of what was said is why it failed; the lines before it are shown, with what they are known to mean."""
    *before, why = said.splitlines() or ["the set-up said nothing"]
    tail = "".join(f"\n    {line}" for line in before)
    causes, next_step = meaning(said, _OTHERWISE)
    return DeployError(f"{why.removeprefix('cowbench: ')}{tail}{causes}", where=f"host {host}", next_step=next_step)

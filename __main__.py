"""Deploy every cell of the matrix, or those of one part of its stack, and export where each one answers."""

from pathlib import Path

import pulumi

from bench.errors import CowbenchError
from stacks import cost, matrix, ownership, parts, plan, prices, program, settle
from stacks.deploy import Wanted
from stacks.parts import Part


def deploy() -> None:
    """The part of the matrix that the selected Pulumi stack is."""
    config, name = pulumi.Config(), pulumi.get_stack()
    stack = ownership.check_name(parts.stack_of(name))
    asked = matrix.read(Path(config.require("matrix")))
    planned = plan.plan(asked, plan.facts_of)
    own = config.get("prices")
    cost.insist_on_budget(asked, planned, prices.read(Path(own) if own else None), stays=True)
    cells = parts.cells_of(name, planned.cells)
    settled = settle.settle([Part(name=name, cloud="", cells=cells)], asked.load.generators, asked.terms)
    if settled and not pulumi.runtime.is_dry_run():
        # Held meanwhile: what is kept of a stack that nobody owns is a sweep's to take.
        ownership.claim(stack)
        settle.keep(settled)
        ownership.leave_standing(stack, settle.expires_at(stack))
    program.run(
        cells,
        Wanted(images=asked.server_images, generators=asked.load.generators, settled=settled.get(name)),
    )


try:
    deploy()
except CowbenchError as error:
    # Pulumi shows the words of this one, and of any other where in Python it was raised.
    raise pulumi.RunError(str(error).replace("--prices FILE", "pulumi config set prices FILE")) from error

"""Deploy every cell of the matrix, or those of one part of its stack, and export where each one answers."""

from pathlib import Path

import pulumi

from stacks import matrix, parts, plan, program, settle
from stacks.deploy import Wanted
from stacks.parts import Part

asked = matrix.read(Path(pulumi.Config().require("matrix")))
cells = parts.cells_of(pulumi.get_stack(), plan.plan(asked, plan.facts_of).cells)
settled = settle.settle([Part(name=pulumi.get_stack(), cloud="", cells=cells)], asked.load.generators, asked.terms)
if not pulumi.runtime.is_dry_run():
    settle.keep(settled)
program.run(
    cells,
    Wanted(images=asked.server_images, generators=asked.load.generators, settled=settled.get(pulumi.get_stack())),
)

"""Deploy every cell of the matrix and export where each one answers."""

from pathlib import Path

import pulumi

from stacks import matrix, plan, program

wanted = matrix.read(Path(pulumi.Config().require("matrix")))
program.run(plan.plan(wanted, plan.facts_of).cells, wanted.server_images)

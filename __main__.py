"""Deploy every cell of the matrix and export where each one answers."""

from pathlib import Path

import pulumi

from stacks import matrix, plan, program
from stacks.deploy import Wanted

asked = matrix.read(Path(pulumi.Config().require("matrix")))
cells = plan.plan(asked, plan.facts_of).cells
program.run(cells, Wanted(images=asked.server_images, generators=asked.load.generators))

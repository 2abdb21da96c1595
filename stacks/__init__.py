"""How a cell comes to stand: matrix, plan, host setup, deployment, teardown. The only package that imports Pulumi."""

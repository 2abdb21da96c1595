"""The engine that the host's distribution packages, or that already is on the host: `dockerd` on PATH."""

from stacks.engine import Engine

ENGINE = Engine(
    name="distribution",
    packages=("docker.io",),
    binaries=("dockerd", "containerd", "runc"),
)

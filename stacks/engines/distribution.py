"""The engine that the host's distribution packages, or that already is on the host: `dockerd` on PATH."""

from stacks.engine import Engine

ENGINE = Engine(
    name="distribution",
    # Docker 20.10 starts no container on a kernel with AppArmor when its parser is missing.
    packages=("docker.io", "apparmor"),
    binaries=("dockerd", "containerd", "runc"),
)

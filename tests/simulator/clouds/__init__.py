"""The simulated clouds by name. Adding one: a file in this folder and a line here."""

from importlib import import_module

from tests.simulator.member import SimulatedCloud

CLOUDS: tuple[str, ...] = (
    "aws",
    "gcp",
    "azure",
    "openstack",
    "hetzner",
    "digitalocean",
)


def load(name: str) -> SimulatedCloud:
    """The simulated cloud of that name."""
    cloud: SimulatedCloud = import_module(f"tests.simulator.clouds.{name}").SIMULATED
    return cloud

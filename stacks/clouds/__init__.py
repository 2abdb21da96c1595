"""The clouds by name, imported when asked for: planning for one never loads another's SDK. Adding one: a file and a line."""

from importlib import import_module

from stacks.cloud import Cloud

CLOUDS = (
    "local",
    "qemu",
    "aws",
    "gcp",
    "azure",
    "openstack",
    "hetzner",
    "digitalocean",
)


def load(name: str) -> Cloud:
    """The cloud of that name. Raises ModuleNotFoundError for a name that is not in `CLOUDS`."""
    cloud: Cloud = import_module(f"stacks.clouds.{name}").CLOUD
    return cloud

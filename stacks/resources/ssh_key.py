"""`ssh_key`: one pair of SSH keys per stack; the private one is a secret in Pulumi's state from the moment it exists."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource

from stacks import ssh
from stacks.resources.replaced import Replaced


class SshKeyProvider(Replaced):
    """Made once; nothing about it ever changes."""

    inputs = ("stack",)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the keys."""
        private, public = ssh.make_key(props["stack"])
        return CreateResult(props["stack"], {**props, "private_key": private, "public_key": public})


class SshKey(Resource, module="cowbench", name="SshKey"):
    """Input: stack. Outputs: private_key (secret), public_key."""

    private_key: pulumi.Output[str]
    public_key: pulumi.Output[str]

    def __init__(self, name: str, stack: str, opts: pulumi.ResourceOptions | None = None) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["private_key"])
        props = {"stack": stack, "private_key": None, "public_key": None}
        super().__init__(SshKeyProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret))

"""`credential`: one random pair of S3 keys per stack, a secret in Pulumi's state from the moment it exists."""

from __future__ import annotations

import secrets
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource

from stacks.resources.replaced import Replaced


class CredentialProvider(Replaced):
    """Made once; nothing about it ever changes."""

    inputs = ("stack",)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Draw the keys. Letters and digits only: they travel through environments and JSON files."""
        keys = {"access_key": secrets.token_hex(10).upper(), "secret_key": secrets.token_hex(20)}
        return CreateResult(props["stack"], {**props, **keys})


class Credential(Resource, module="cowbench", name="Credential"):
    """Input: stack. Outputs, both secret: access_key, secret_key."""

    access_key: pulumi.Output[str]
    secret_key: pulumi.Output[str]

    def __init__(self, name: str, stack: str, opts: pulumi.ResourceOptions | None = None) -> None:
        # A dynamic provider cannot mark its own outputs as secret; the resource has to.
        secret = pulumi.ResourceOptions(additional_secret_outputs=["access_key", "secret_key"])
        props = {"stack": stack, "access_key": None, "secret_key": None}
        super().__init__(CredentialProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret))

"""What a provider does whose every input replaces the resource: it cannot be changed while it stands."""

from __future__ import annotations

from typing import Any, ClassVar

from pulumi.dynamic import DiffResult, ResourceProvider


class Replaced(ResourceProvider):
    """Any changed input of `inputs` replaces the resource, and the old one goes first: both would be at the same place."""

    serialize_as_secret_always = False  # nothing secret is captured, and encrypting the provider costs time at every step
    inputs: ClassVar[tuple[str, ...]]

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Compare the inputs only: the old side also holds outputs."""
        replaces = [key for key in self.inputs if olds.get(key) != news.get(key)]
        return DiffResult(changes=bool(replaces), replaces=replaces, delete_before_replace=True)

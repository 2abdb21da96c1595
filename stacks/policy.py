"""Rules that nothing in an account may break, applied to every resource before it is made, with every Pulumi CLI. Pure.

A cloud says what the inputs of its resources mean (`stacks.cloud.Account.meanings`), a rule judges the meaning: so a rule is
written once for all clouds. Names of inputs are Pulumi's own, in camelCase, as transforms, policy packs and mocks see them.
"""

from __future__ import annotations

import base64
import gzip
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stacks import labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_SECRETS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"(?i)\b(?:aws_secret_access_key|secret_key|secretkey|password|passwd|api_token|hcloud_token)\b[\"']?\s*[:=]\s*[\"']?[^\s\"']{8,}",
)
_GZIP = b"\x1f\x8b"
WIDEST_PREFIX = 16
"""An operator's address is one, or a company's network; anything wider is the world."""

_LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")
_PRIVATE = tuple(
    ipaddress.IPv4Network(each) for each in ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
)
"""Nobody comes from these over the internet (RFC 1918, 3927, 6598)."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Ports that let in who comes from `source` (CIDR, `*`, or another name that the cloud has for everybody)."""

    source: str
    first_port: int
    last_port: int


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What one resource is, as far as rules ask. None: the cloud has no such switch, or it does not concern this resource.

    `labels` is None where the cloud has none for such a resource. `not_yet_known` names what cannot be told in a preview.
    """

    labels: Mapping[str, str] | None = None
    opens: tuple[Opening, ...] = ()
    user_data: str = ""
    encrypted: bool | None = None
    deleted_with_vm: bool | None = None
    metadata_needs_token: bool | None = None
    public_bucket: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A rule that a resource breaks."""

    rule: str
    what: str
    fix: str


def closed_to_the_world(meaning: Meaning) -> Iterator[str]:
    """Nothing is open to everybody: an S3 server on the open internet is found within minutes."""
    for opening in meaning.opens:
        if _is_everybody(opening.source):
            yield f"ports {opening.first_port}-{opening.last_port} are open to {opening.source}"


def labelled(meaning: Meaning) -> Iterator[str]:
    """Owner, run and expiry on everything: what carries none is found by nobody and paid for by somebody."""
    if meaning.labels is not None and (missing := [key for key in labels.KEYS if not meaning.labels.get(key)]):
        yield f"it does not say {', '.join(missing)}"


def disks_go_with_their_vm(meaning: Meaning) -> Iterator[str]:
    """A disk that outlives its VM is the bill that nobody sees."""
    if meaning.deleted_with_vm is False:
        yield "a disk of it would stay when its VM is deleted"


def encrypted(meaning: Meaning) -> Iterator[str]:
    """Disks are encrypted where the cloud offers it."""
    if meaning.encrypted is False:
        yield "a disk of it is not encrypted"


def metadata_needs_a_token(meaning: Meaning) -> Iterator[str]:
    """The metadata service answers only with a token (IMDSv2): else one forged request reads what the VM may do."""
    if meaning.metadata_needs_token is False:
        yield "its metadata service answers without a token"


def no_secret_in_user_data(meaning: Meaning) -> Iterator[str]:
    """User-data is no place for a secret: every process on the VM can read it, and so can who may look at the account."""
    if any(re.search(pattern, meaning.user_data) for pattern in _SECRETS):
        yield "its user-data holds what looks like a key or a password"


def no_public_bucket(meaning: Meaning) -> Iterator[str]:
    """A bucket of the account is never public."""
    if meaning.public_bucket:
        yield "everybody could read this bucket"


RULES: tuple[tuple[Callable[[Meaning], Iterator[str]], str], ...] = (
    (closed_to_the_world, "open it to the operator's address or to the private network alone"),
    (labelled, "give it the labels of its request"),
    (disks_go_with_their_vm, "let the cloud delete the disk with its VM"),
    (encrypted, "switch the disk's encryption on"),
    (metadata_needs_a_token, "ask for tokens: http_tokens=required"),
    (no_secret_in_user_data, "send it over SSH once the host stands"),
    (no_public_bucket, "keep it private"),
)
"""Every rule, and what to do about what breaks it. Adding one: a function and a line here."""


def judge(
    kind: str, inputs: Mapping[str, Any], meanings: Mapping[str, Callable[[Mapping[str, Any]], Meaning]]
) -> tuple[Violation, ...]:
    """The rules that a resource of type `kind` with these inputs breaks.

    A type that no cloud speaks of breaks one of its own: nobody would see what it opens, or what it costs.
    """
    if kind not in meanings:
        return (
            Violation(rule="known_kind", what="no cloud says what it means", fix="name it in the `meanings` of its cloud's file"),
        )
    meaning = meanings[kind](inputs)
    return tuple(Violation(rule=rule.__name__, what=what, fix=fix) for rule, fix in RULES for what in rule(meaning))


def unpacked(user_data: object) -> str:
    """User-data out of base64 and gzip, as some clouds want it. What is neither stays as it is: in a preview nobody knows it."""
    if not isinstance(user_data, str):
        return ""
    try:
        plain = base64.b64decode(user_data, validate=True)
        return (gzip.decompress(plain) if plain.startswith(_GZIP) else plain).decode(errors="replace")
    except (OSError, EOFError, ValueError):
        return user_data


def is_private(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Whether all of a network is somebody's own, so that it lets in nobody who comes over the internet."""
    return isinstance(network, ipaddress.IPv4Network) and any(network.subnet_of(each) for each in _PRIVATE)


def is_the_world(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Whether a network is too wide to be an operator's."""
    here = isinstance(network, ipaddress.IPv4Network) and network.subnet_of(_LOOPBACK)
    return network.prefixlen < WIDEST_PREFIX and not here and not is_private(network)


def _is_everybody(source: str) -> bool:
    try:
        network = ipaddress.ip_network(source, strict=False)
    except ValueError:
        # `*`, `Internet`, `Any`: words that clouds have for it. A name of a group or a tag is none of them.
        return source.lower() in {"*", "internet", "any", "all"}
    return is_the_world(network)

"""The operator's address as the internet sees it: SSH of rented hosts is open to it and to nobody else."""

from __future__ import annotations

import ipaddress
import urllib.error
import urllib.request

from bench.errors import DeployError

SERVICES = ("https://checkip.amazonaws.com", "https://api.ipify.org")
"""Each answers with nothing but the address that a request came from; both by IPv4 alone. Asked in this order."""

_LIMIT_S = 10
_LONGEST_BYTES = 100


def find(services: tuple[str, ...] = SERVICES) -> str:
    """The address as a CIDR of one address, `203.0.113.7/32`. Raises DeployError when no service tells one."""
    said = []
    for service in services:
        try:
            return _asked(service)
        except (OSError, ValueError) as error:
            said.append(f"{service}: {error}")
    raise DeployError(
        f"the address from which you reach the internet could not be found ({'; '.join(said)})",
        where="operator's address",
        next_step="say it in the matrix: deploy.operator, such as 203.0.113.7/32",
    )


def _asked(service: str) -> str:
    # The scheme is that of the services above, or of a test's on the loopback.
    with urllib.request.urlopen(service, timeout=_LIMIT_S) as answer:  # noqa: S310 - as above
        text = answer.read(_LONGEST_BYTES).decode(errors="replace").strip()
    address = ipaddress.IPv4Address(text)
    if not address.is_global:
        # Behind a proxy of a company such a service may see the proxy's inner side: nobody outside could be let in by it.
        raise ValueError(f"{address} is an address of a private network")
    return f"{address}/32"

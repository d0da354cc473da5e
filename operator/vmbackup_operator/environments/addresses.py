"""Which address ranges an environment's network uses; pure, and the same for the same names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network

from vmbackup_core.errors import PermanentError
from vmbackup_operator.naming import digest

# A /22 halves into 507 addresses for workers and as many for endpoints: a region has at most 250
# workers, and an endpoint for each account and each disk access (one for every five exports).
NETWORK_PREFIX = 22
# Azure keeps five addresses of every subnet: below /28 nothing of use is left of a half.
SMALLEST_PREFIX = 27


@dataclass(frozen=True, slots=True)
class Ranges:
    """The network's range, and those of its two subnets."""

    network: str
    workers: str
    endpoints: str


def choose_ranges(pool: str, name: str, taken: Iterable[str]) -> Ranges:
    """Return ranges out of *pool* that overlap nothing in *taken*, by the hash of *name*.

    Where the hash meets a taken one, the next free one is used, so what was chosen once must be
    looked up in Azure and not computed again.
    """
    whole = _network(pool)
    prefix = max(NETWORK_PREFIX, whole.prefixlen)
    count = 1 << (prefix - whole.prefixlen)
    occupied = [_network(item) for item in taken if ":" not in item]
    start = int.from_bytes(digest("addresses", name)[:8], "big") % count
    for step in range(count):
        offset = (start + step) % count << (32 - prefix)
        candidate = IPv4Network((int(whole.network_address) + offset, prefix))
        if not any(candidate.overlaps(other) for other in occupied):
            return split_range(str(candidate))
    raise PermanentError(
        f"address pool {pool} has no /{prefix} that is free of {', '.join(map(str, occupied))}",
        reason="AddressPoolExhausted",
    )


def split_range(network: str) -> Ranges:
    """Return *network* with its lower half for workers and its upper half for endpoints."""
    whole = _network(network)
    if whole.prefixlen > SMALLEST_PREFIX:
        raise PermanentError(
            f"address range {network} is smaller than /{SMALLEST_PREFIX}", reason="InvalidAddresses"
        )
    workers, endpoints = whole.subnets(prefixlen_diff=1)
    return Ranges(str(whole), str(workers), str(endpoints))


def overlapping(one: Sequence[str], other: Sequence[str]) -> tuple[str, str] | None:
    """Return the first pair, of *one* and *other*, that overlaps, or None."""
    pairs = ((a, b) for a in one for b in other if ":" not in a + b)
    return next(((a, b) for a, b in pairs if _network(a).overlaps(_network(b))), None)


def _network(text: str) -> IPv4Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise PermanentError(f"{text} is no address range", reason="InvalidAddresses") from error
    if not isinstance(network, IPv4Network):
        raise PermanentError(f"{text} is no IPv4 range", reason="InvalidAddresses")
    return network

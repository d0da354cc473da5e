"""What the journal may hold of a request: its JSON without the secrets in it."""

from __future__ import annotations

from typing import Any

_MASK = "***"

#: Names whose values are secrets wherever they stand, lower case.
_SECRET_NAMES = frozenset(
    {
        "adminpassword",
        "customdata",
        "userdata",
        "runaspassword",
        "scripturi",
        "outputbloburi",
        "errorbloburi",
        "accesssas",
        "keydata",
    }
)


def masked(value: Any) -> Any:
    """Return *value* with every secret replaced; of protected parameters the names stay."""
    if isinstance(value, dict):
        return {name: _masked_member(name, member) for name, member in value.items()}
    if isinstance(value, list):
        return [masked(member) for member in value]
    return value


def _masked_member(name: str, member: Any) -> Any:
    if name.lower() in _SECRET_NAMES:
        return _MASK
    if name.lower() == "protectedparameters" and isinstance(member, list):
        return [
            {**parameter, "value": _MASK} for parameter in member if isinstance(parameter, dict)
        ]
    return masked(member)


def masked_query(query: str) -> str:
    """Return a query string without signatures."""
    kept = []
    for part in query.split("&"):
        name = part.split("=", 1)[0]
        kept.append(f"{name}={_MASK}" if name in ("sig", "c", "s", "h") else part)
    return "&".join(kept)

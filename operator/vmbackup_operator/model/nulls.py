"""Values in which null is said for what could be left out, as Azure and the API server do.

Neither holds to it: an empty list, map or text is left out by one version and null in another. A
default stands for both.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

Kind = TypeVar("Kind")


def read_as(said: object, kind: type[Kind]) -> Kind:
    """Return *said* as *kind*, with its defaults where null is said in their place."""
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError:
        return msgspec.convert(_without_nulls(said), kind)


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_nulls(said) for name, said in value.items() if said is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value if each is not None]
    return value

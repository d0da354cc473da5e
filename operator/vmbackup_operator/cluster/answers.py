"""Answers of the API server about Kubernetes' own kinds, as typed values.

An empty list or map is not always left out, and not always empty: a CRD that was made a moment ago
has ``"conditions": null``. To Kubernetes that is the same as nothing said, and so it is here.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

Kind = TypeVar("Kind")


def read(answer: bytes, kind: type[Kind]) -> Kind:
    """Return *answer* as *kind*, with its defaults where null is said in their place."""
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.ValidationError:
        return msgspec.convert(_without_nulls(msgspec.json.decode(answer)), kind)


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_nulls(said) for name, said in value.items() if said is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value

"""Conditions of role assignments: the part of Azure's language that is simulated, read and judged.

``ActionMatches``, the names of blob containers compared by ``StringEquals``, ``!``, ``AND``, ``OR``
and parentheses. What is not simulated is refused when the assignment is written: a condition that
nobody judges would let through what Azure refuses.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

VERSION = "2.0"

CONTAINER_NAME = "Microsoft.Storage/storageAccounts/blobServices/containers:name"

_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<mark>[()!]|&&|\|\||AND\b|OR\b)"
    r"|ActionMatches\s*\{\s*'(?P<action>[^']+)'\s*\}"
    r"|@Resource\[(?P<attribute>[^\]]+)\]\s+StringEquals\s+'(?P<value>[^']*)'"
    r")"
)
_AND, _OR = frozenset({"AND", "&&"}), frozenset({"OR", "||"})
_CONTAINER = re.compile(r"/blobservices/[^/]+/containers/([^/]+)", re.IGNORECASE)


class BadCondition(ValueError):
    """A condition that is none, or that this simulator cannot judge."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to do: an *action* at *scope*, an ARM id or below one."""

    action: str
    scope: str

    def attribute(self, name: str) -> str | None:
        """Return the attribute of the resource, or None where it has none of that name."""
        found = _CONTAINER.search(self.scope) if name.lower() == CONTAINER_NAME.lower() else None
        return None if found is None else found[1]


#: Tells whether a wish is granted.
Condition = Callable[[Wish], bool]


def holds(text: str | None, wish: Wish) -> bool:
    """Tell whether the condition *text* lets *wish* through; no condition lets everything."""
    return not text or parse(text)(wish)


@lru_cache(maxsize=64)
def parse(text: str) -> Condition:
    """Return the condition that *text* spells; raise BadCondition."""
    tokens = list(_tokens(text))
    condition = _either(tokens)
    if tokens:
        raise BadCondition(f"the condition does not end where it could: {tokens[0][0]!r}")
    return condition


def _tokens(text: str) -> Iterator[re.Match[str]]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadCondition(f"not simulated in a condition: {text[at : at + 60].strip()!r}")
        at = found.end()
        yield found


def _either(tokens: list[re.Match[str]]) -> Condition:
    parts = [_both(tokens)]
    while tokens and tokens[0]["mark"] in _OR:
        tokens.pop(0)
        parts.append(_both(tokens))
    return lambda wish: any(part(wish) for part in parts)


def _both(tokens: list[re.Match[str]]) -> Condition:
    parts = [_single(tokens)]
    while tokens and tokens[0]["mark"] in _AND:
        tokens.pop(0)
        parts.append(_single(tokens))
    return lambda wish: all(part(wish) for part in parts)


def _single(tokens: list[re.Match[str]]) -> Condition:
    if not tokens:
        raise BadCondition("the condition ends too early")
    token = tokens.pop(0)
    match token["mark"]:
        case None:
            return _matching(token["action"]) if token["action"] else _equal(token)
        case "!":
            inner = _single(tokens)
            return lambda wish: not inner(wish)
        case "(":
            inner = _either(tokens)
            if not tokens or tokens.pop(0)["mark"] != ")":
                raise BadCondition("a parenthesis of the condition is not closed")
            return inner
        case mark:
            raise BadCondition(f"{mark!r} stands where a condition begins")


def _matching(pattern: str) -> Condition:
    return lambda wish: fnmatch.fnmatchcase(wish.action.lower(), pattern.lower())


def _equal(token: re.Match[str]) -> Condition:
    attribute, value = token["attribute"], token["value"]
    if attribute.lower() != CONTAINER_NAME.lower():
        raise BadCondition(f"not simulated in a condition: {attribute}")
    # What a resource does not have equals nothing.
    return lambda wish: wish.attribute(attribute) == value

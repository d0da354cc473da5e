"""What of a recorded body is set again, by the tables in `rules`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from vmbackup_operator.environments.bodies import Body, Json
from vmbackup_operator.model.conditions import cut
from vmbackup_operator.restores.planning.rules import Fate, Rule, RuleTree

#: The schema's bound.
TOLD_CHARS = 256
_TOLD: Final[frozenset[Fate]] = frozenset({"told", "region", "place", "group"})
#: A value that is shown beside its property is no longer.
_VALUE_CHARS = 120


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A property that is not set again, and by which rule."""

    path: str
    rule: Rule
    value: Json

    @property
    def is_told(self) -> bool:
        """Whether people are told in any case; of the rest only where something is lost by it."""
        return self.rule.fate in _TOLD

    def said(self, subject: str) -> str:
        """Return what is told of it, as it fits into a status."""
        return told(subject, self.path, self.rule.why, self.value)


@dataclass(frozen=True, slots=True)
class Sifted:
    """A body with what is set again, and what was left out of it."""

    body: Body
    left_out: tuple[LeftOut, ...]

    def told(self, subject: str) -> list[str]:
        """Return what people are told of what was left out."""
        return [left.said(subject) for left in self.left_out if left.is_told]


def told(subject: str, path: str, why: str, value: Json = None) -> str:
    """Return what is told of a property that is not set again."""
    shown = _shown(value)
    return cut(f"{subject}: {path}{f' ({shown})' if shown else ''}: {why}", TOLD_CHARS)


def sift(body: Body, tree: RuleTree, holding: Collection[Fate]) -> Sifted:
    """Return *body* with what may be set again; rules of the fates *holding* leave nothing out."""
    left_out: list[LeftOut] = []
    kept = dict(_kept(body, tree, "", holding, left_out))
    return Sifted(kept, tuple(left_out))


def _kept(
    body: Body, tree: RuleTree, path: str, holding: Collection[Fate], left_out: list[LeftOut]
) -> Iterator[tuple[str, Json]]:
    for name, value in body.items():
        here, below = f"{path}.{name}" if path else name, tree.at(name)
        rule = below.rule if below is not None else None
        if rule is not None and rule.fate not in holding:
            left_out.append(LeftOut(here, rule, value))
            continue
        inner = _kept_of(value, below, here, holding, left_out)
        if inner or not value or tree.has_any_names:
            yield name, inner


def _kept_of(
    value: Json,
    tree: RuleTree | None,
    path: str,
    holding: Collection[Fate],
    left_out: list[LeftOut],
) -> Json:
    """Return what is kept of a value that is itself set again."""
    if tree is None:
        return value
    if isinstance(value, dict):
        return dict(_kept(value, tree, path, holding, left_out))
    items = tree.at("[]")
    if isinstance(value, list):
        return [
            _kept_of(item, items, f"{path}[{index}]", holding, left_out)
            for index, item in enumerate(value)
        ]
    return value


def _shown(value: Json) -> str:
    """Return a value that fits beside its property: a word, or the id of what was referred to."""
    if isinstance(value, dict):
        value = value.get("id")
    if isinstance(value, list) and len(value) == 1:
        return _shown(value[0])
    return cut(value, _VALUE_CHARS) if isinstance(value, str) else ""

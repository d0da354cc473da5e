"""The chart's README: its values with their defaults, and what is said of them in values.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.local_cloud.toolchains import ROOT

CHART = ROOT / "charts" / "vmbackup"

_KEY = re.compile(r"^(?P<indent> *)(?P<key>\w+):")
_COMMENT = re.compile(r"^ *# ?(?P<text>.*)$")


@dataclass(frozen=True, slots=True)
class Value:
    """One value: where it is, what is there by default, what is said of it."""

    path: str
    default: Any
    said: str


def values(text: str) -> Iterator[Value]:
    """Return what *text*, a values.yaml, says of each value above which something is said."""
    defaults = yaml.safe_load(text)
    path: list[tuple[int, str]] = []
    said: list[str] = []
    for line in text.splitlines():
        if comment := _COMMENT.match(line):
            said.append(comment["text"])
        elif key := _KEY.match(line):
            indent = len(key["indent"])
            path = [*(each for each in path if each[0] < indent), (indent, key["key"])]
            if said:
                keys = [name for _, name in path]
                yield Value(".".join(keys), _at(defaults, keys), " ".join(said))
            said = []
        elif not line.strip():
            said = []


def _at(document: Any, keys: list[str]) -> Any:
    for key in keys:
        document = document[key]
    return document


def page() -> str:
    """Return the chart's README."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    rows = [
        f"| `{each.path}` | {_default(each.default)} | {each.said.replace('|', '&#124;')} |"
        for each in values((CHART / "values.yaml").read_text())
    ]
    return _PAGE.format(needs=oldest(chart["kubeVersion"]), rows="\n".join(rows))


def oldest(constraint: str) -> str:
    """Return a chart's kubeVersion in words."""
    version = re.fullmatch(r">=(\d+\.\d+)\.0-0", constraint)
    if version is None:
        raise ValueError(f"{CHART / 'Chart.yaml'}: kubeVersion {constraint} names no oldest minor")
    return f"{version[1]} or newer"


def _default(value: Any) -> str:
    """Return a default for the table: nothing where a value has to be given."""
    return "" if value == "" else f"`{json.dumps(value)}`"


_PAGE = """\
# The Helm chart

Installs the operator, its rights, its six kinds and what guards them, in Kubernetes {needs}. How to
install, upgrade and uninstall it is in [docs/operations.md](../../docs/operations.md#with-helm).

`make chart` writes this page and `values.schema.json`. The folders `rbac/`, `admission/` and
`prometheus/` and the kinds in [crds/](../../crds) are applied by hand as well, and taken into the
chart as they are.

## Values

A wrong value is refused with its path. Of those without a default, `appliance` needs all and
`image` its `repository`.

| value | default | |
| --- | --- | --- |
{rows}
"""


def write(path: Path, text: str) -> None:
    """Write *text* where *path* says something else, and say so."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
        print(f"written: {path.relative_to(ROOT)}")

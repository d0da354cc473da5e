"""The parts of docs/performance.md that are made from what was measured; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tools.bench.engine.report import tables
from tools.bench.engine.report.charts import charts_of
from tools.bench.engine.scenarios import NAMES

Figures = Mapping[str, Any]

FIGURES, PROFILES = "figures", "profiles"


def with_block(page: str, name: str, block: str) -> str:
    """Return *page* with *block* between the marks called *name*."""
    begin, end = f"<!-- {name}: made by `make bench-plots` -->", f"<!-- end of {name} -->"
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the page has no marks called {name}")
    return f"{before}{begin}\n\n{block}\n\n{end}{after}"


def figures_block(figures: Figures) -> str:
    """Return tables and plots of what was measured."""
    return "\n\n".join(_figures(figures))


def _figures(figures: Figures) -> Iterator[str]:
    yield _machine(figures)
    yield tables.targets(figures)
    yield tables.operations(figures)
    if "increments_10" in figures:
        yield tables.increments(figures)
    if any(name in figures for name in NAMES):
        yield tables.scenarios(figures)
    for chart in charts_of(figures):
        yield f"![{chart.title}, in {chart.unit}](images/performance-{chart.name}.svg)"
        yield tables.chart_table(chart)
    if figures.get("took_s"):
        yield tables.parts(figures)
    if figures.get("not_measured"):
        yield f"Not measured:\n\n{tables.not_measured(figures)}"


def _machine(figures: Figures) -> str:
    machine, image = figures["machine"], figures["image"]
    load = ", ".join(f"{each:g}" for each in machine["load"])
    of = f"Commit `{machine['commit']}`, " if machine.get("commit") else ""
    return (
        f"{of}Python {machine['python']} on {machine['cores']} processors, load {load} before it;\n"
        f"{figures['rounds']} rounds; the disk of {image['size_mb']:,.0f} MB holds"
        f" {image['content_mb']:,.0f} MB, of which {image['changed_mb']:g} MB change."
    )

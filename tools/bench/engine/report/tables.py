"""What was measured as tables of a page; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tools.bench.engine.report.charts import OURS, Chart, number

Figures = Mapping[str, Any]

_COLUMNS = {
    "s": "s",
    "cpu_s": "CPU s",
    "rss_mb": "RSS MB",
    "stored_mb": "stored MB",
    "read_mb": "read MB",
    "operator_s": "operator s",
    "source_cpu_s": "source CPU s",
}
_OPERATIONS = {
    "full": "full",
    "incremental": "incremental",
    "later_full": "later full, of the second state",
    "restore": "restore of the second state",
    "check": "check, every byte",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; its first column has words, the others figures."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def chart_table(chart: Chart) -> str:
    """Return the numbers of *chart*: a row for each series."""
    rows = [[name, *map(number, values)] for name, values in chart.series.items()]
    return table([chart.unit, *chart.categories], rows)


def targets(figures: Figures) -> str:
    """Return each target, what was measured of it, and whether it is met."""
    rows = [
        [name, str(each["target"]), number(each["value"]), "yes" if each["met"] else "**no**"]
        for name, each in figures.get("ratios", {}).items()
    ]
    return table(["target", "bound", "measured", "met"], rows)


def operations(figures: Figures) -> str:
    """Return what every operation took, of us and of each peer with its version."""
    return table(["", *_COLUMNS.values()], _operation_rows(figures))


def _operation_rows(figures: Figures) -> Iterator[Sequence[str]]:
    tools = {OURS: figures}
    for name, took in figures.get("peers", {}).items():
        tools[f"{name} {took['version']}"] = took
    for tool, took in tools.items():
        for operation, said in _OPERATIONS.items():
            if operation in took:
                yield [f"{tool}: {said}", *_cells(took[operation])]


def _cells(took: Figures) -> list[str]:
    return [number(took.get(column)) for column in _COLUMNS]


def scenarios(figures: Figures) -> str:
    """Return what every scenario took."""
    columns = {**_COLUMNS, "index_mb": "index MB", "all_mb": "all MB"}
    rows = [
        [said, *[number(took.get(column)) for column in columns]]
        for said, took in _scenario_rows(figures)
    ]
    return table(["", *columns.values()], rows)


def _scenario_rows(figures: Figures) -> Iterator[tuple[str, Figures]]:
    if "disks_4" in figures:
        yield "four disks in one job", figures["disks_4"]
    for share, each in figures.get("changed", {}).items():
        yield f"{share} changed: incremental", each["incremental"]
    for size, took in figures.get("sizes", {}).items():
        yield f"{size}, sparse: full", took["full"]
        yield f"{size}, sparse: unchanged", took["unchanged"]
    yield from _of_full_disk(figures.get("full_1_tib", {}))
    for late, took in figures.get("store_latency", {}).items():
        yield f"store {late} late: full", took["full"]
    yield from _of_extents(figures.get("extents", {}))
    aged: Figures = figures.get("aged_chain", {})
    for operation in ("restore", "check", "prune"):
        if operation in aged:
            yield f"{aged['points']:,} points: {operation}", aged[operation]


def _of_full_disk(found: Figures) -> Iterator[tuple[str, Figures]]:
    for name, said in (("one_block", "one block changed"), ("scattered", "0.1 % of a sixteenth")):
        if name in found:
            yield f"full 1 TiB, {said}: incremental", found[name]


def _of_extents(found: Figures) -> Iterator[tuple[str, Figures]]:
    for name, said in (("listed", "list of {:,} extents"), ("read", "full of {:,} extents")):
        if name in found:
            yield said.format(found[name]["count"]), found[name]


def increments(figures: Figures) -> str:
    """Return what ten increments store on average, and what the last takes to restore."""
    found: Figures = figures.get("increments_10", {})
    columns = ("stored_mb_mean", "s_mean", "cpu_s_mean", "read_mb_mean")
    rows = [
        [
            name.replace("_", " "),
            str(took["count"]),
            *[number(took[column]) for column in columns],
            *[number(took["restore"][column]) for column in ("s", "cpu_s", "rss_mb")],
        ]
        for name, took in found.items()
    ]
    head = ["increments, means", "count", "stored MB", "s", "CPU s", "read MB"]
    return table([*head, "restore s", "restore CPU s", "restore RSS MB"], rows)


def parts(figures: Figures) -> str:
    """Return how long each part took."""
    rows = [[f"`{name}`", str(took_s)] for name, took_s in figures.get("took_s", {}).items()]
    return table(["part", "took s"], rows)


def not_measured(figures: Figures) -> str:
    """Return what was not measured, and why."""
    found: Figures = figures.get("not_measured", {})
    return "\n".join(f"- {name}: {why}" for name, why in found.items())


def profiles(found: Figures) -> str:
    """Return where the processor time of each path goes, in percent of it."""
    paths: Figures = found["paths"]
    kinds = dict.fromkeys(kind for path in paths.values() for kind in path["percent"])
    head = ["", *[f"{name}, {path['cpu_s']:.1f} s" for name, path in paths.items()]]
    rows = [
        [kind, *[_percent(path["percent"].get(kind)) for path in paths.values()]] for kind in kinds
    ]
    return table(head, rows)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0f} %"

"""The plots' numbers, from what was measured; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Figures = Mapping[str, Any]

OURS = "vmbackup"
_OPERATIONS = ("full", "incremental", "restore", "check")


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars of each series beside each other, for each category; None where there is no figure."""

    name: str
    title: str
    unit: str
    categories: Sequence[str]
    series: Mapping[str, Sequence[float | None]]

    @property
    def said(self) -> list[str]:
        """Each number as it is written, in the order of the series."""
        return [number(each) for values in self.series.values() for each in values]


def number(value: float | None) -> str:
    """Return *value* with three digits that count, as plots and tables have it."""
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2  # noqa: PLR2004
    return f"{value:,.{digits}f}"


def charts_of(figures: Figures) -> list[Chart]:
    """Return the charts of which anything was measured."""
    return [chart for make in _CHARTS for chart in make(figures) if _has_any(chart)]


def whole_s(took: Figures | None) -> float | None:
    """Return how long an operation took, with the operator's part of it."""
    return None if took is None else float(took["s"] + took.get("operator_s", 0))


def _has_any(chart: Chart) -> bool:
    return any(each is not None for values in chart.series.values() for each in values)


def _tools(figures: Figures) -> Iterator[tuple[str, Figures]]:
    yield OURS, figures
    yield from figures.get("peers", {}).items()


def _seconds(figures: Figures) -> Iterator[Chart]:
    series = {
        tool: [whole_s(took.get(each)) for each in _OPERATIONS] for tool, took in _tools(figures)
    }
    yield Chart("seconds", "How long each operation takes", "s", _OPERATIONS, series)


def _processor(figures: Figures) -> Iterator[Chart]:
    series = {
        tool: [_figure(took.get(each), "cpu_s") for each in _OPERATIONS]
        for tool, took in _tools(figures)
    }
    yield Chart("processor", "Processor time of each operation", "s", _OPERATIONS, series)


def _stored(figures: Figures) -> Iterator[Chart]:
    backups = ("full", "incremental")
    series = {
        tool: [_figure(took.get(each), "stored_mb") for each in backups]
        for tool, took in _tools(figures)
    }
    stored = {tool: values for tool, values in series.items() if any(values)}
    yield Chart("stored", "What a backup stores", "MB", backups, stored)


def _changed(figures: Figures) -> Iterator[Chart]:
    found: Figures = figures.get("changed", {})
    took = {share: each["incremental"] for share, each in found.items()}
    series: dict[str, list[float | None]] = {
        "changed": [float(each["changed_mb"]) for each in found.values()],
        "read": [_figure(each, "read_mb") for each in took.values()],
        "stored": [_figure(each, "stored_mb") for each in took.values()],
    }
    yield Chart("changed-mb", "An increment by what has changed", "MB", [*took], series)
    seconds = {"seconds": [whole_s(each) for each in took.values()]}
    yield Chart("changed-seconds", "An increment by what has changed", "s", [*took], seconds)


def _sizes(figures: Figures) -> Iterator[Chart]:
    found: Figures = figures.get("sizes", {})
    series = {
        said: [whole_s(each.get(name)) for each in found.values()]
        for said, name in (("first", "full"), ("unchanged", "unchanged"))
    }
    yield Chart("sizes", "A sparse disk by its size", "s", [*found], series)


def _latency(figures: Figures) -> Iterator[Chart]:
    found: Figures = figures.get("store_latency", {})
    series = {"full": [whole_s(each["full"]) for each in found.values()]}
    yield Chart("latency", "A full where each request to the store is late", "s", [*found], series)


def _memory(figures: Figures) -> Iterator[Chart]:
    largest: Figures = figures.get("sizes", {}).get("32 TiB", {})
    took: dict[str, Figures | None] = {each: figures.get(each) for each in _OPERATIONS}
    took |= {"four disks": figures.get("disks_4")}
    took |= {"32 TiB": largest.get("full"), "unchanged": largest.get("unchanged")}
    series = {OURS: [_figure(each, "rss_mb") for each in took.values()]}
    yield Chart("memory", "The most memory that a process has", "MB", [*took], series)


def _figure(took: Figures | None, name: str) -> float | None:
    return None if took is None or name not in took else float(took[name])


_CHARTS: Final[Sequence[Callable[[Figures], Iterator[Chart]]]] = (
    _seconds,
    _processor,
    _stored,
    _changed,
    _sizes,
    _latency,
    _memory,
)

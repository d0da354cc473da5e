"""Draws bars: ``drawing.py FOLDER`` reads charts from standard input, and writes SVG files.

It runs in an environment of its own, with matplotlib and nothing of ours. The same charts give the
same bytes: no date, a salt that is fixed, text that stays text.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

_WIDTH, _HEIGHT, _GROUP = 7.2, 2.9, 0.84
_COLOURS = ("#0b6e99", "#b9b9b9", "#e09f3e", "#9e2a2b", "#540b0e")

mpl.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "vmbackup",
        "font.family": ["sans-serif"],
        "font.size": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)


def draw(chart: dict[str, Any], folder: Path) -> None:
    """Write the SVG of *chart*."""
    figure, axes = plt.subplots(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    series = chart["series"]
    width = _GROUP / len(series)
    for number, (name, values) in enumerate(series.items()):
        shown = [(at, value) for at, value in enumerate(values) if value is not None]
        left = [at - _GROUP / 2 + (number + 0.5) * width for at, _ in shown]
        colour = _COLOURS[number % len(_COLOURS)]
        heights = [value for _, value in shown]
        bars = axes.bar(left, heights, width * 0.92, label=name, color=colour)
        said = [chart["said"][name][at] for at, _ in shown]
        axes.bar_label(bars, labels=said, fontsize=6.5, padding=1)
    axes.set_xticks(range(len(chart["categories"])), chart["categories"])
    axes.set_ylabel(chart["unit"])
    axes.set_title(chart["title"], loc="left", fontsize=9)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    path = folder / f"performance-{chart['name']}.svg"
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)


if __name__ == "__main__":
    for each in json.load(sys.stdin):
        draw(each, Path(sys.argv[1]))

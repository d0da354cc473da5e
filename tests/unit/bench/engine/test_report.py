"""What docs/ shows of the bench is what was measured: tables and plots of the same numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools.bench.__main__ import machine
from tools.bench.engine.ratios import TARGETS
from tools.bench.engine.report import tables
from tools.bench.engine.report.charts import Chart, charts_of, number
from tools.bench.engine.report.page import FIGURES, PROFILES, figures_block, with_block

DOCS = Path(__file__).resolve().parents[4] / "docs"
PAGE = (DOCS / "performance.md").read_text()


def measured(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "measured" / name).read_text())
    return found


CHARTS = charts_of(measured("engine.json"))


def test_the_pages_figures_are_those_that_are_kept() -> None:
    assert with_block(PAGE, FIGURES, figures_block(measured("engine.json"))) == PAGE


def test_the_page_says_which_commit_was_measured() -> None:
    figures = {**measured("engine.json"), "machine": {**machine(), "commit": "abc1234"}}
    assert "Commit `abc1234`, Python" in figures_block(figures)


def test_what_a_checkout_is_measured_at_is_its_commit() -> None:
    assert re.fullmatch(r"[0-9a-f]{7,}|", machine()["commit"])


def test_the_pages_profiles_are_those_that_are_kept() -> None:
    assert with_block(PAGE, PROFILES, tables.profiles(measured("profiles.json"))) == PAGE


def test_each_chart_has_its_plot_and_each_plot_its_chart() -> None:
    plots = {path.name for path in (DOCS / "images").glob("performance-*.svg")}

    assert plots == {f"performance-{chart.name}.svg" for chart in CHARTS}


@pytest.mark.parametrize("chart", CHARTS, ids=[chart.name for chart in CHARTS])
def test_a_plot_says_the_numbers_of_its_table(chart: Chart) -> None:
    plot = (DOCS / "images" / f"performance-{chart.name}.svg").read_text()
    written = re.findall(r"<text[^>]*>([^<]*)</text>", plot)
    said = [each for each in chart.said if each]

    assert chart.title in written
    assert set(chart.categories) <= set(written)
    assert all(written.count(each) >= said.count(each) for each in said)
    assert "<dc:date>" not in plot


def test_plots_are_small() -> None:
    sizes = [path.stat().st_size for path in (DOCS / "images").glob("performance-*.svg")]

    assert max(sizes) < 60_000


def test_numbers_have_three_digits_that_count() -> None:
    assert [number(each) for each in (0.1234, 9.876, 98.76, 987.6, 9876.0, 0, None)] == [
        "0.12", "9.88", "98.8", "988", "9,876", "0.00", "",
    ]  # fmt: skip


def test_what_was_not_measured_is_an_empty_cell_and_no_bar() -> None:
    found = {"full": {"s": 1.0, "cpu_s": 2.0, "rss_mb": 3.0, "operator_s": 0.5}}
    seconds = charts_of(found)[0]

    assert seconds.series == {"vmbackup": [1.5, None, None, None]}
    assert tables.chart_table(seconds).splitlines()[-1] == "| vmbackup | 1.50 |  |  |  |"


def test_a_chart_of_which_nothing_was_measured_is_left_out() -> None:
    assert charts_of({}) == []


def test_every_target_that_was_measured_is_told_with_whether_it_is_met() -> None:
    ratios = {TARGETS[0].name: {"value": 0.9, "target": "at most 1", "met": True}}
    ratios |= {"another": {"value": 700.0, "target": "at most 160", "met": False}}

    assert tables.targets({"ratios": ratios}).splitlines()[2:] == [
        f"| {TARGETS[0].name} | at most 1 | 0.90 | yes |",
        "| another | at most 160 | 700 | **no** |",
    ]


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="no marks called figures"):
        with_block("a page\n", FIGURES, "a block")

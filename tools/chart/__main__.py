"""``python -m tools.chart``: writes the schema of the chart's values, and its README."""

from __future__ import annotations

from tools.chart.page import CHART, page, write
from tools.chart.schema import text

if __name__ == "__main__":
    write(CHART / "values.schema.json", text())
    write(CHART / "README.md", page())

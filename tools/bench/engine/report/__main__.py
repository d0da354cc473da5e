"""Shows what was measured: ``python -m tools.bench.engine.report`` writes into docs/.

What lies in build/bench/ is kept in docs/measured/, drawn into docs/images/, and put as tables
between the marks of docs/performance.md.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.bench.engine.report import tables
from tools.bench.engine.report.charts import Chart, charts_of, number
from tools.bench.engine.report.page import (
    FIGURES,
    PROFILES,
    figures_block,
    with_block,
)
from tools.local_cloud.toolchains import ROOT, cache_folder, made_once, run_quietly

_MEASURED, _KEPT = ROOT / "build" / "bench", ROOT / "docs" / "measured"
_PAGE, _IMAGES = ROOT / "docs" / "performance.md", ROOT / "docs" / "images"
_LOCK = ROOT / "tools" / "python" / "requirements-plots.txt"
_DRAWING = Path(__file__).with_name("drawing.py")


def main() -> None:
    """Keep what was measured last, and show it."""
    page = _PAGE.read_text()
    figures = _kept("engine.json")
    page = with_block(page, FIGURES, figures_block(figures))
    page = with_block(page, PROFILES, tables.profiles(_kept("profiles.json")))
    _draw(charts_of(figures))
    _PAGE.write_text(page)


def _kept(name: str) -> Mapping[str, Any]:
    """Return what was measured, kept in docs/ from now on."""
    _KEPT.mkdir(exist_ok=True)
    if (_MEASURED / name).exists():
        shutil.copyfile(_MEASURED / name, _KEPT / name)
    found: Mapping[str, Any] = json.loads((_KEPT / name).read_text())
    return found


def _draw(charts: Sequence[Chart]) -> None:
    """Have docs/images/ hold the plots of *charts* and of no others."""
    _IMAGES.mkdir(exist_ok=True)
    for path in _IMAGES.glob("performance-*.svg"):
        path.unlink()
    told = json.dumps([_told(chart) for chart in charts])
    with tempfile.TemporaryDirectory(prefix="vmbackup-plots-") as fonts:
        command = [str(_python()), "-I", str(_DRAWING), str(_IMAGES)]
        environment = {"MPLCONFIGDIR": fonts, "PATH": ""}
        subprocess.run(command, input=told, text=True, check=True, env=environment)


def _told(chart: Chart) -> Mapping[str, object]:
    said = {name: [number(each) for each in values] for name, values in chart.series.items()}
    return {
        "name": chart.name,
        "title": chart.title,
        "unit": chart.unit,
        "categories": chart.categories,
        "series": chart.series,
        "said": said,
    }


def _python() -> Path:
    """Return a Python that has matplotlib, as it is locked; made once."""
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16]
    return made_once(cache_folder() / f"plots-{digest}", _install) / "bin" / "python"


def _install(folder: Path) -> None:
    run_quietly([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--no-build"]
    uv += ["--link-mode", "copy", "--python", str(folder / "bin" / "python")]
    run_quietly([*uv, "-r", str(_LOCK)])


if __name__ == "__main__":
    main()

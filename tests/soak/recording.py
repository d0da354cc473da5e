"""A plugin of pytest's for `make soak`: many cases drawn from a seed, and a record of each test.

Each property that `make test` tries on a fixed sample is tried here on CASES others, and so are
those of this folder. build/soak/ gets a file for each: which test, from which seed, how many cases,
how it ended, and the command that draws the same ones again.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

CASES = int(os.environ.get("CASES") or 1000)

hypothesis.settings.register_profile(
    "soak",
    deadline=None,
    derandomize=False,
    database=None,
    max_examples=CASES,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.getoption("hypothesis_seed")
    return f"soak: {CASES} cases a test; SEED={seed} draws the same ones again"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, object, object]:
    """Write down how a test went."""
    if call.when == "call":
        _write_down(item, call)
    return (yield)


def _write_down(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    seed = item.config.getoption("hypothesis_seed")
    record = {
        "test": item.nodeid,
        "seed": seed,
        "cases": _cases(getattr(item, "hypothesis_statistics", "")),
        "seconds": round(call.duration, 1),
        **dict(item.user_properties),
        "failed": str(call.excinfo.value) if call.excinfo else None,
        "repeat": f"make soak SEED={seed} CASES={CASES}{_asked()} TEST='{item.nodeid}'",
    }
    folder = item.config.rootpath / "build" / "soak"
    folder.mkdir(parents=True, exist_ok=True)
    _place(folder, item.nodeid).write_text(json.dumps(record, indent=2) + "\n")


def _asked() -> str:
    """Return what was asked for of the tests that count otherwise, as `make` takes it."""
    names = ("MOMENTS", "POINTS", "ROUNDS")
    return "".join(f" {name}={os.environ[name]}" for name in names if os.environ.get(name))


def _place(folder: Path, test: str) -> Path:
    return folder / f"{re.sub(r'[^A-Za-z0-9]+', '-', test).strip('-')}.json"


def _cases(statistics: str) -> int:
    """Return how many cases hypothesis tried, as its statistics say by phase."""
    return sum(map(int, re.findall(r"(\d+) (?:passing|failing|invalid)", statistics)))

"""`make test` keeps files in one process that share what takes long to start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sharing import GROUPS, group_of

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))
NAMED = {group[0] for group in GROUPS}

#: Writes down in which process it ran, behind what ran there before.
TEST = """
import os
from pathlib import Path
def test_one():
    process = os.environ["PYTEST_XDIST_WORKER"]
    with (Path(os.environ["RAN"]) / process).open("a") as ran:
        print(Path(__file__).stem, file=ran)
"""


def using(folder: str, fixture: str) -> list[str]:
    """Return the files below *folder* that ask for *fixture*."""
    asks = re.compile(rf"\b{fixture}: ")
    inside = [path for path in FILES if path.startswith(f"{folder}/")]
    return [path for path in inside if asks.search((ROOT / path).read_text())]


@pytest.mark.parametrize("start", [start for group in GROUPS for start in group])
def test_a_group_names_files_that_there_are(start: str) -> None:
    assert [path for path in FILES if path.startswith(start)]


@pytest.mark.parametrize(
    ("folder", "fixture", "most"),
    [
        ("tests/scenario", "stage", 3),
        ("tests/cluster", "served", 1),
        ("tests/cluster", "installed", 1),
        ("tests/cluster", "namespace", 1),
        ("tests/cluster", "connection", 1),
        ("tests/contract", "running_azurite", 1),
        ("tests/contract/azure_services", "cloud", 1),
        ("tests/contract/clients", "cloud", 1),
        ("tests/scenario/worker", "cloud", 1),
    ],
)
def test_what_takes_long_is_started_seldom(folder: str, fixture: str, most: int) -> None:
    groups = {group_of(path) for path in using(folder, fixture)}

    assert groups
    assert groups <= NAMED
    assert len(groups) <= most


def run(folder: Path, paths: list[str]) -> list[list[str]]:
    """Run a test at each of *paths* by two processes; return what each ran, in its order.

    Which of the two is called first hangs on which of them was ready first.
    """
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(TEST)
    ran = folder / "ran"
    ran.mkdir()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.sharing", "-p", "no:cacheprovider",
         "--rootdir=.", "--import-mode=importlib", "--numprocesses=2", "--dist=loadfile",
         "--no-loadscope-reorder", "."],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "RAN": str(ran)},
        check=True,
        capture_output=True,
    )  # fmt: skip
    return sorted(path.read_text().split() for path in ran.iterdir())


def test_a_run_gives_a_group_to_one_process(tmp_path: Path) -> None:
    clients = ["tests/contract/clients/test_azcopy.py", "tests/contract/clients/test_go_sdk.py"]

    assert run(tmp_path, clients) == [["test_azcopy", "test_go_sdk"]]


def test_one_process_begins_at_the_end(tmp_path: Path) -> None:
    one, other = run(tmp_path, [f"tests/unit/test_{number}.py" for number in range(5)])

    assert (one[0], other[0]) == ("test_0", "test_4")

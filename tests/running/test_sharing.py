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


#: What a group shares: each test of it asks for it, and what goes on is written down as well.
SHARED = """
import os
from pathlib import Path
import pytest

def note(word):
    process = os.environ["PYTEST_XDIST_WORKER"]
    with (Path(os.environ["RAN"]) / process).open("a") as ran:
        print(word, file=ran)

@pytest.fixture(scope="session")
def below():
    note("below-begins")
    yield
    note("below-ends")

@pytest.fixture(scope="session", autouse=True)
def shared(below):
    note("begins")
    yield
    note("ends")
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
        ("tests/scenario", "stage", 4),
        ("tests/cluster", "served", 1),
        ("tests/cluster", "installed", 1),
        ("tests/cluster", "namespace", 1),
        ("tests/cluster", "connection", 1),
        ("tests/contract", "running_azurite", 1),
        ("tests/contract/azure_services", "cloud", 2),
        ("tests/contract/clients", "cloud", 1),
        ("tests/contract/simulator_storage", "cloud", 1),
        ("tests/scenario/worker", "cloud", 2),
    ],
)
def test_what_takes_long_is_started_seldom(folder: str, fixture: str, most: int) -> None:
    groups = {group_of(path) for path in using(folder, fixture)}

    assert groups
    assert groups <= NAMED
    assert len(groups) <= most


def run(
    folder: Path, paths: list[str], *words: str, processes: int = 2, dist: str = "loadfile"
) -> list[list[str]]:
    """Run a test at each of *paths*; return what each of the processes ran, in its order.

    Which of two is called first hangs on which of them was ready first.
    """
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(TEST)
    ran = folder / "ran"
    ran.mkdir()
    subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-m", "pytest", "-p", "tests.sharing", "-p", "no:cacheprovider",
         "--rootdir=.", "--import-mode=importlib", f"--numprocesses={processes}", f"--dist={dist}",
         "--no-loadscope-reorder", *words, "."],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "RAN": str(ran)},
        check=True,
        capture_output=True,
        text=True,
    )  # fmt: skip
    return sorted(path.read_text().split() for path in ran.iterdir())


def test_a_run_gives_a_group_to_one_process(tmp_path: Path) -> None:
    clients = ["tests/contract/clients/test_azcopy.py", "tests/contract/clients/test_go_sdk.py"]

    assert run(tmp_path, clients) == [["test_azcopy", "test_go_sdk"]]


def test_one_process_begins_at_the_end(tmp_path: Path) -> None:
    one, other = run(tmp_path, [f"tests/unit/test_{number}.py" for number in range(5)])

    assert (one[0], other[0]) == ("test_0", "test_4")


def test_groups_are_begun_in_the_order_of_the_list_before_what_is_in_none(tmp_path: Path) -> None:
    later, first = (group[0] for group in GROUPS[1::-1])
    (ran,) = run(tmp_path, ["tests/a/test_alone.py", later, first], processes=1)

    assert ran == [Path(path).stem for path in ("test_alone", later, first)]


#: Waits for something that another process does: each of its tests leaves a file.
WAITING = """
import os, time
from pathlib import Path
RAN = Path(os.environ["RAN"])
def left(name):
    (RAN.parent / name).touch()
def wait(name):
    until = time.monotonic() + 60
    while not (RAN.parent / name).exists():
        assert time.monotonic() < until, f"{name} did not come"
        time.sleep(0.02)
"""
#: The one in the middle is for whoever has nothing else to do while `test_a` waits for it.
WHILE_ONE_WAITS = {
    "test_a.py": """
def test_one(): pass
def test_two():
    left("waits")
    wait("between")
def test_three(): pass
""",
    "test_b.py": """
def test_one(): left("between")
""",
    "test_c.py": """
def test_one(): wait("waits")
def test_two(): pass
def test_three(): pass
""",
}


def test_a_process_takes_no_group_while_it_is_still_at_another(tmp_path: Path) -> None:
    for name, text in WHILE_ONE_WAITS.items():
        (tmp_path / name).write_text(WAITING + text)

    run(tmp_path, [])  # fails where who waits has taken what it waits for


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder of tests in which a group shares something."""
    clients = tmp_path / "tests" / "contract" / "clients"
    clients.mkdir(parents=True)
    (clients / "conftest.py").write_text(SHARED)
    return tmp_path


#: One process takes the last group first.
ONE_AND_ANOTHER = [
    "tests/chart/test_other.py",
    "tests/contract/clients/test_azcopy.py",
    "tests/contract/clients/test_go_sdk.py",
]


def test_what_a_group_shares_lasts_for_the_group_and_no_longer(shared: Path) -> None:
    (ran,) = run(shared, ONE_AND_ANOTHER, processes=1)

    group = ["below-begins", "begins", "test_azcopy", "test_go_sdk", "ends", "below-ends"]
    assert ran == [*group, "test_other"]


def test_where_files_come_in_any_order_it_lasts_for_the_run(shared: Path) -> None:
    (ran,) = run(shared, ONE_AND_ANOTHER, processes=1, dist="load")

    begun = ["test_other", "below-begins", "begins", "test_azcopy", "test_go_sdk"]
    assert ran == [*begun, "ends", "below-ends"]


def test_what_a_group_leaves_is_named_at_its_end(shared: Path) -> None:
    with (shared / "tests" / "contract" / "clients" / "conftest.py").open("a") as conftest:
        conftest.write('    os.environ["LEFT"] = "so"\n')
    subprocess.run(["git", "init", "--quiet", shared], check=True)  # noqa: S603, S607 - PATH's git

    with pytest.raises(subprocess.CalledProcessError) as failed:
        run(shared, ONE_AND_ANOTHER, "-p", "tests.tidiness", processes=1)

    said = "The group of tests/contract/clients/ leaves behind:\n  the environment: LEFT is set"
    assert said in failed.value.stdout

"""A program that is loaded once runs in processes of its own, and as if each had loaded it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.local_cloud.loading import Loaded, Run

#: Says what it was given, and what is left of an earlier run: nothing.
PROGRAM = """
import os, signal, sys
RUNS = []
print("loaded")
def main():
    RUNS.append(1)
    where = os.path.basename(os.getcwd())
    print(sys.argv[1:], len(RUNS), os.environ.get("WORD"), where, flush=True)
    print(sys.stdin.read(), end="", file=sys.stderr)
    if "wait" in sys.argv:
        signal.pause()
    return len(sys.argv) - 1
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[Loaded]:
    (tmp_path / "said.py").write_text(PROGRAM)
    program = Loaded("said:main", tmp_path / "log", {"PYTHONPATH": str(tmp_path)})
    yield program
    program.unload()


def begin(program: Loaded, folder: Path, *words: str, **environment: str) -> Run:
    folder.mkdir(exist_ok=True)
    with (
        (folder / "out").open("wb") as out,
        (folder / "err").open("wb") as err,
        tempfile.TemporaryFile() as given,
    ):
        given.write(b"a line")
        given.seek(0)
        streams = (given.fileno(), out.fileno(), err.fileno())
        return program.begin(words, streams, environment, folder)


def said(folder: Path) -> tuple[str, str]:
    return (folder / "out").read_text(), (folder / "err").read_text()


def test_each_run_is_a_process_with_words_streams_and_environment_of_its_own(
    loaded: Loaded, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    one = begin(loaded, first, "a", "b", WORD="x")
    other = begin(loaded, second)

    assert (one.wait(60), other.wait(60)) == (2, 0)
    assert one.pid != other.pid
    assert said(first) == ("['a', 'b'] 1 x first\n", "a line")
    assert said(second) == ("[] 1 None second\n", "a line")
    assert (tmp_path / "log").read_text() == "loaded\n"


def test_a_run_that_is_ended_says_by_what(loaded: Loaded, tmp_path: Path) -> None:
    asked, killed = begin(loaded, tmp_path / "1", "wait"), begin(loaded, tmp_path / "2", "wait")

    assert asked.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        killed.wait(0.01)
    asked.terminate()
    killed.kill()

    assert (asked.wait(60), killed.wait(60)) == (-15, -9)
    assert asked.poll() == -15
    killed.kill()  # to no purpose, and no error


def test_what_is_unloaded_ends_its_runs_and_can_be_loaded_again(
    loaded: Loaded, tmp_path: Path
) -> None:
    run = begin(loaded, tmp_path / "1", "wait")
    loaded.unload()

    assert run.wait(60) == -9
    assert begin(loaded, tmp_path / "2").wait(60) == 0


def test_what_cannot_be_loaded_is_said_where_it_is_run(tmp_path: Path) -> None:
    absent = Loaded("nowhere:main", tmp_path / "log", {})

    with pytest.raises(RuntimeError, match=f"nowhere:main was not loaded: see {tmp_path}/log"):
        begin(absent, tmp_path / "1")
    absent.unload()

    assert "No module named 'nowhere'" in (tmp_path / "log").read_text()

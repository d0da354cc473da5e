"""A module of tests that leaves something behind fails, and says what: each kind of it tried."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: What a module may leave: the body of its only test, and how that is named.
LEFT = {
    "a variable that was set": (
        "os.environ['HTTPS_PROXY'] = 'http://127.0.0.1:9'",
        "the environment: HTTPS_PROXY is set",
    ),
    "a variable that was changed": (
        "os.environ['PRESENT'] = 'other'",
        "the environment: PRESENT is changed",
    ),
    "a variable that was removed": (
        "del os.environ['PRESENT']",
        "the environment: PRESENT is removed",
    ),
    "another folder": ("os.chdir('/')", "the working directory: /, before "),
    "another umask": ("os.umask(0o027)", "the umask: 0027, before "),
    "a child": (
        "LEFT.append(subprocess.Popen(['sleep', '60']))",
        "a process: sleep 60",
    ),
    "a child's child, whose parent is gone": (
        "subprocess.run(['sh', '-c', 'sleep 61 &'], cwd=tmp_path)",
        "a process: sleep 61",
    ),
    "a port": (
        "LEFT.append(socket.create_server(('127.0.0.1', 0)))",
        "a listener: tcp port ",
    ),
    "a socket by name": (
        "at = socket.socket(socket.AF_UNIX); LEFT.append(at); at.bind('ignored'); at.listen()",
        "a listener: unix ",
    ),
    "a file in the checkout": (
        "Path('new.txt').write_text('')",
        "a file in the checkout: new.txt",
    ),
}

BEGINNING = """\
import os, signal, socket, subprocess
from pathlib import Path
import pytest
LEFT = []
"""

ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "TIDY_WITHIN_S": "0.3",
    "PRESENT": "so",
}

#: A program and a port for as long as the tests run.
WIDE = """
@pytest.fixture(scope="session")
def wide():
    program = subprocess.Popen(["sleep", "62"])
    listening = socket.create_server(("127.0.0.1", 0))
    yield program
    listening.close()
    program.kill()
    program.wait()

def test_it_runs(wide):
    assert wide.poll() is None
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet", folder], check=True)  # noqa: S603, S607 - PATH's git
    (folder / ".gitignore").write_text("ignored/\n__pycache__/\n")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return folder


def run(checkout: Path, *texts: str) -> tuple[int, str]:
    """Run one module of tests for each text; return the exit code and what was printed."""
    for number, text in enumerate(texts, 1):
        (checkout / f"test_{number}.py").write_text(BEGINNING + text)
    words = ["-p", "tests.tidiness", "-p", "no:cacheprovider", "-q"]
    log = checkout.parent / "said"
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, "-m", "pytest", *words, f"--basetemp={checkout.parent / 'pytest'}"],
            cwd=checkout,
            env={**os.environ, **ENVIRONMENT},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        code = process.wait(60)
    finally:
        with suppress(ProcessLookupError):  # it, and what the modules left running
            os.killpg(process.pid, signal.SIGKILL)
    return code, log.read_text()


@pytest.mark.parametrize(("left", "named"), LEFT.values(), ids=LEFT)
def test_what_a_module_leaves_behind_is_named(checkout: Path, left: str, named: str) -> None:
    test = f"def test_one(tmp_path):\n    {left}\n"
    second = "def test_two():\n    pass\n"
    code, said = run(checkout, test, second)

    assert code == 1, said
    assert f"test_1.py leaves behind:\n  {named}" in said
    assert "test_2.py leaves" not in said
    assert "2 passed" in said
    assert ", 1 error in " in said


def test_what_was_ended_closed_and_put_back_is_not_named(checkout: Path) -> None:
    tidy = """
    monkeypatch.setenv("PRESENT", "other")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text("")
    with subprocess.Popen(["sleep", "60"]) as program, socket.create_server(("127.0.0.1", 0)):
        program.kill()
    """
    ignored = """
def test_two():
    Path("ignored").mkdir()
    Path("ignored/file").write_text("")
"""
    code, said = run(checkout, f"def test_one(tmp_path, monkeypatch):{tidy}\n{ignored}")

    assert code == 0, said


def test_what_a_fixture_for_the_whole_run_starts_may_go_on_until_its_end(checkout: Path) -> None:
    code, said = run(checkout, WIDE, "def test_two():\n    pass\n")

    assert code == 0, said


def test_a_program_of_the_whole_run_may_be_started_again(checkout: Path) -> None:
    again = """
def test_again(wide):
    wide.kill()
    wide.wait()
    LEFT.append(subprocess.Popen(["sleep", "62"]))

def test_last(wide):
    pass

@pytest.fixture(scope="session", autouse=True)
def ended():
    yield
    for each in LEFT:
        each.kill()
        each.wait()
"""
    code, said = run(checkout, WIDE + again)

    assert code == 0, said


def test_a_second_one_of_its_kind_is_named(checkout: Path) -> None:
    code, said = run(checkout, WIDE + "    LEFT.append(subprocess.Popen(['sleep', '62']))\n")

    assert code == 1
    assert "test_1.py leaves behind:\n  a process: sleep 62" in said


def test_a_fixture_for_the_whole_run_may_not_change_the_environment(checkout: Path) -> None:
    wide = """
@pytest.fixture(scope="session")
def proxied():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        yield

def test_one(proxied):
    pass
"""
    code, said = run(checkout, wide)

    assert code == 1
    assert "test_1.py leaves behind:\n  the environment: HTTPS_PROXY is set" in said


def test_what_a_fixture_for_the_whole_run_leaves_is_named_at_its_end(checkout: Path) -> None:
    careless = WIDE.replace("    program.kill()\n    program.wait()\n", "")
    code, said = run(checkout, careless)

    assert code == 1
    assert "This run of tests leaves behind:\n  a process: sleep 62" in said


def test_values_of_the_environment_are_not_shown(checkout: Path) -> None:
    _, said = run(checkout, "def test_one():\n    os.environ['KEY'] = 'se' + 'cret'\n")

    assert "KEY is set" in said
    assert "secret" not in said

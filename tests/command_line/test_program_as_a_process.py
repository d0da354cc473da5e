"""The program as a person starts it: pipes, signals, and whatever else may be wrong around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.cli.program import CONTENT, VMBACKUP, CommandLine, Filled, shell, start

VERBS = {
    "list": [],
    "check": ["--read-data"],
    "restore": ["--point", "latest", "--all", "--to"],
}


def command(line: CommandLine, verb: str, to: Path) -> list[str]:
    more = [*VERBS[verb], str(to)] if verb == "restore" else VERBS[verb]
    return line.arguments(verb, *more)


verbs = pytest.mark.parametrize("verb", VERBS)


def check_line(err: str, reason: str) -> None:
    """Hold that *err* is one line, no traceback, and begins with the reason."""
    assert err.startswith(f"vmbackup: {reason}: "), err
    assert len(err.splitlines()) == 1, err


@verbs
def test_a_reader_that_goes_away_changes_nothing(
    line: CommandLine, tmp_path: Path, verb: str
) -> None:
    arguments = command(line, verb, tmp_path / "to")

    ended = shell('{ "$0" "$@"; echo "$?" >&2; } | true', *arguments)

    assert ended.stderr == "0\n"
    if verb == "restore":
        assert [each.name for each in (tmp_path / "to").iterdir()] == ["os.img"]


@verbs
@pytest.mark.parametrize(
    ("where", "said"),
    [(">/dev/full", "No space left on device"), (">&-", "it is closed")],
    ids=["full", "closed"],
)
def test_an_answer_that_cannot_be_written_is_told(
    line: CommandLine, tmp_path: Path, verb: str, where: str, said: str
) -> None:
    ended = shell(f'"$0" "$@" {where}', *command(line, verb, tmp_path / "to"))

    assert ended.returncode == 2
    check_line(ended.stderr, "OutputLost")
    assert said in ended.stderr
    if verb == "restore":
        assert [each.name for each in (tmp_path / "to").iterdir()] == ["os.img"]


def test_help_and_version_survive_readers_too() -> None:
    for arguments in (["--help"], ["--version"], ["repository", "restore", "--help"]):
        ended = shell('{ "$0" "$@"; echo "$?" >&2; } | true', *arguments)
        assert ended.stderr == "0\n"


def test_a_closed_or_full_standard_error_ends_nothing(line: CommandLine) -> None:
    line.key_file.chmod(0o644)  # there is something to tell

    for where in ("2>&-", "2>/dev/full", ">&- 2>&- <&-"):
        ended = shell(f'"$0" "$@" {where}', *line.arguments("list"))
        assert ended.returncode == (2 if ">&- 2" in where else 0)
        assert ended.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_that_no_terminal_has_letters_for_end_nothing(
    line: CommandLine, tmp_path: Path, encoding: str
) -> None:
    to = os.fsencode(tmp_path) + b"/\xff\xc3\xa4\xe2\x82\xac"
    ended = subprocess.run(  # noqa: S603 - our own program
        [VMBACKUP, *line.arguments("restore", "--point", "latest", "--disk", "os", "--to"), to],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert os.path.exists(to)  # noqa: PTH110 - bytes are no Path


@verbs
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_it_with_one_line(
    line: CommandLine, tmp_path: Path, verb: str, number: signal.Signals
) -> None:
    header = line.repository / "control" / "header"
    header.unlink()
    os.mkfifo(header)  # is waited for until somebody writes into it

    # The header opens when the program has come so far.
    with start(command(line, verb, tmp_path / "to")) as running, header.open("wb"):
        running.send_signal(number)
        _, err = running.communicate(timeout=30)

    assert running.returncode == 128 + number
    assert err == "vmbackup: interrupted\n"
    assert not (tmp_path / "to").exists()


#: Becomes the program whose other thread gets the signals, as far as the kernel is concerned: what
#: the main thread waits for goes on, as where a signal comes just before it begins to wait.
HEARD_BY_ANOTHER_THREAD = """
import signal, sys, threading

threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
from vmbackup_operator.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_a_wait_that_began_just_behind_it(
    line: CommandLine, tmp_path: Path, number: signal.Signals
) -> None:
    header = line.repository / "control" / "header"
    header.unlink()
    os.mkfifo(header)
    program = [sys.executable, "-c", HEARD_BY_ANOTHER_THREAD]

    check = command(line, "check", tmp_path)
    with start(check, program=program) as running, header.open("wb"):
        until(lambda: waits_for(running, header))
        running.send_signal(number)
        try:
            _, err = running.communicate(timeout=30)
        finally:
            running.kill()

    assert (running.returncode, err) == (128 + number, "vmbackup: interrupted\n")


#: Becomes the program, and interrupts it as soon as it looks for the module that is named first.
INTERRUPTED_AT_AN_IMPORT = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(10_000))  # a handler of Python's has its turn here

wanted = sys.argv.pop(1)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupting())
from vmbackup_operator.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    "module", ["vmbackup_operator.cli.running", "vmbackup_operator.cli.complaints", "msgspec"]
)
def test_an_interrupt_while_it_loads_ends_it_without_a_word(module: str, tmp_path: Path) -> None:
    arguments = ["repository", "list", "--repository", str(tmp_path), "--key-file", "none"]
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", INTERRUPTED_AT_AN_IMPORT, module, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_a_second_interrupt_does_not_wait_for_a_store_that_hangs(
    filled: Filled, filled_line: CommandLine, tmp_path: Path
) -> None:
    filled.add_disks(1, [("a", 0), ("b", 1)])
    packs = sorted(filled.folder.glob("data/c/*/p/*/*/*/*"))
    for pack in packs:
        pack.unlink()
        os.mkfifo(pack)
    to = tmp_path / "to"

    with start(command(filled_line, "restore", to)) as running:
        until(lambda: to.exists() and any(to.iterdir()))
        until(lambda: len(os.listdir(f"/proc/{running.pid}/task")) > 1)  # noqa: PTH208 - of Linux
        ended = None
        until_s = time.monotonic() + 30
        while ended is None:
            assert time.monotonic() < until_s
            running.send_signal(signal.SIGINT)
            time.sleep(0.2)
            ended = running.poll()
        _, err = running.communicate(timeout=30)

    assert ended == 130
    assert err == "vmbackup: interrupted\n"
    assert list(to.iterdir()) == []


def waits_for(running: subprocess.Popen[str], file: Path) -> bool:
    """Whether the program has opened the file, and its main thread sleeps."""
    process = Path("/proc") / str(running.pid)
    has_it = any(each.exists() and each.samefile(file) for each in (process / "fd").iterdir())
    return has_it and (process / "stat").read_text().rpartition(")")[2].split()[0] == "S"


def until(holds: object) -> None:
    deadline = time.monotonic() + 30
    assert callable(holds)
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("more", [[], ["--force"], ["--keep-going"]], ids=["", "force", "keep"])
def test_a_target_without_room_is_told_and_nothing_is_left(
    filled: Filled, filled_line: CommandLine, tmp_path: Path, more: list[str]
) -> None:
    filled.add(1, "web", "2026-11-20")
    to = tmp_path / "to"

    # A limit on the size of files stands for a full disk: the system refuses the write alike.
    arguments = [*command(filled_line, "restore", to), *more]
    ended = shell('ulimit -f 16; exec "$0" "$@"', *arguments)

    assert ended.returncode == 2
    check_line(ended.stderr, "TargetFull")
    assert str(to / "os.img") in ended.stderr
    assert list(to.iterdir()) == []
    assert len(CONTENT) > 16 * 1024


SPOILED = {
    "no key": ("KeyFileUnreadable", "key_file", None),
    "wrong key": ("KeyMismatch", "key_file", b"f" * 64),
    "no control": ("ControlLost", "repository/control", None),
    "no directory": ("NoDirectory", "repository", None),
    "a file": ("NoDirectory", "repository", b"x"),
}


@verbs
@pytest.mark.parametrize(("reason", "what", "content"), SPOILED.values(), ids=SPOILED)
def test_what_cannot_be_read_is_said_in_a_line(
    line: CommandLine, tmp_path: Path, verb: str, reason: str, what: str, content: bytes | None
) -> None:
    path = line.key_file if what == "key_file" else tmp_path / what
    if path.is_dir():
        path.rename(tmp_path / "elsewhere")
    else:
        path.unlink()
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)

    code, out, err = line.run(verb, *command(line, verb, tmp_path / "to")[6:])

    assert code == (1 if reason == "CorruptRepository" else 2)
    assert out == ""
    check_line(err, reason)
    assert not (tmp_path / "to").exists()


@verbs
def test_a_fault_of_our_own_is_a_line_too(
    line: CommandLine, tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.key_file = Path("\0")  # no shell passes this on: it stands for what nobody thought of

    code, _, err = line.run(verb, *command(line, verb, tmp_path / "to")[6:])
    assert code == 2
    check_line(err, "InternalError")
    assert "ValueError at " in err

    monkeypatch.setenv("VMBACKUP_TRACEBACK", "1")
    _, _, err = line.run(verb, *command(line, verb, tmp_path / "to")[6:])
    assert err.startswith("Traceback")

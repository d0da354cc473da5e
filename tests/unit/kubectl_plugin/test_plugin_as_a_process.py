"""The plugin as a person starts it where no cluster is: its errors, pipes and completions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.reasons import reasons_in
from vmbackup_operator.kubectl_plugin import complete, main
from vmbackup_operator.kubectl_plugin.complaints import ADVICE

ROOT = Path(__file__).resolve().parents[3]
PLUGIN = ROOT / "operator/vmbackup_operator/kubectl_plugin"
PROGRAM = str(Path(sys.executable).with_name("kubectl-vmbackup"))
PAGE = (ROOT / "docs/kubectl.md").read_text()
COMMANDS = (
    "status", "sessions", "points", "watch", "run", "retry", "cancel", "restore", "report",
    "completion", "policy",
)  # fmt: skip


def shell(line: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run *line* by a shell in which ``$0`` is the plugin, without any cluster.

    What it writes is held back until it ends, as on any user's machine.
    """
    left_out = {"KUBECONFIG", "HOME", "PYTHONUNBUFFERED"}
    kept = {key: value for key, value in os.environ.items() if key not in left_out}
    return subprocess.run(  # noqa: S603 - our own program
        ["/bin/bash", "-c", line, PROGRAM],
        capture_output=True, text=True, check=False, env={**kept, "HOME": str(home), **environment},
    )  # fmt: skip


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand where no kubeconfig is."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Misunderstood"),
        (["nothing"], "Misunderstood"),
        (["status", "more"], "Misunderstood"),
        (["status", "--nothing"], "Misunderstood"),
        (["status", "-o", "xml"], "Misunderstood"),
        (["watch"], "Misunderstood"),
        (["policy"], "Misunderstood"),
        (["policy", "plan", "a", "--slots", "many"], "Misunderstood"),
        (["policy", "plan", "a", "--slots", "0"], "Misunderstood"),
        (["restore", "a", "--vm", "b"], "Misunderstood"),
        (["restore", "--vm", "b", "--at", "yesterday"], "Misunderstood"),
        (["restore", "a", "--mode", "Magic"], "Misunderstood"),
        (["completion", "tcsh"], "Misunderstood"),
        (["status"], "NoKubeconfig"),
        (["run", "nightly"], "NoKubeconfig"),
        (["status", "--kubeconfig", "/nowhere"], "NoKubeconfig"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
@pytest.mark.usefixtures("nowhere")
def test_an_error_is_one_line_that_says_what_to_do(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(arguments)

    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith(f"kubectl-vmbackup: {reason}: ")
    assert line.endswith(ADVICE[reason])


@pytest.mark.parametrize("words", [(), *((each,) for each in COMMANDS), ("policy", "plan")])
def test_every_command_has_a_help_text(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0

    said = capsys.readouterr()
    assert said.out.startswith(" ".join(("Usage: kubectl vmbackup", *words)))
    assert said.err == ""


def test_it_says_which_version_it_is_without_any_cluster(tmp_path: Path) -> None:
    said = shell('"$0" --version', tmp_path)

    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == f"vmbackup {version('vmbackup')}, kinds of vmbackup.dev/v1alpha1\n"


def test_a_reader_that_goes_away_and_one_that_is_full(tmp_path: Path) -> None:
    gone = shell('{ "$0" --help; echo "$?" >&2; } | true', tmp_path)
    full = shell('"$0" --help >/dev/full', tmp_path)

    assert gone.stderr == "0\n"
    assert full.returncode == 2
    assert full.stderr.startswith("kubectl-vmbackup: OutputLost: ")
    assert len(full.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", ["--help", "--version", "completion bash"])
def test_nothing_that_takes_long_is_loaded_before_it_is_needed(
    arguments: str, tmp_path: Path
) -> None:
    source = (
        "import sys\nfrom vmbackup_operator.kubectl_plugin import main\n"
        f"main({arguments.split()!r})\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    assert not {"kubernetes", "aiohttp", "azure", "kopf", "rich"} & set(
        re.findall(r"'(\w+)'", ended.stderr)
    )


@pytest.mark.parametrize(
    ("words", "offered", "directive"),
    [
        ([""], set(COMMANDS), ":4"),
        (["st"], {"status"}, ":4"),
        (["status", "--n"], {"--namespace"}, ":4"),
        (["status", "-o", ""], {"table", "json", "yaml"}, ":4"),
        (["restore", "--mode", ""], {"Disks", "VirtualMachine", "Rewind"}, ":4"),
        (["policy", ""], {"plan"}, ":4"),
        (["run", ""], set(), ":4"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("nowhere")
def test_kubectl_is_told_what_may_follow(
    words: list[str], offered: set[str], directive: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complete(words) == 0

    *lines, last = capsys.readouterr().out.splitlines()
    assert {line.split("\t")[0] for line in lines} == offered
    assert last == directive


def test_bash_completes_by_the_script(tmp_path: Path) -> None:
    script = tmp_path / "completion.bash"
    made = shell(f'"$0" completion bash >{script}', tmp_path)
    folder = Path(PROGRAM).parent
    ended = shell(
        f"set -eu; PATH={folder}:$PATH; . {script}\n"
        "COMP_WORDS=(kubectl-vmbackup st); COMP_CWORD=1\n"
        '_kubectl_vmbackup_completion kubectl-vmbackup; echo "${COMPREPLY[@]}"',
        tmp_path,
    )

    assert made.returncode == 0
    assert ended.stdout == "status\n", ended.stderr


@pytest.mark.parametrize("name", ["zsh", "fish"])
def test_other_shells_have_a_script_too(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", name]) == 0

    assert "kubectl-vmbackup" in capsys.readouterr().out


def test_whatever_the_plugin_says_itself_has_its_advice() -> None:
    words = set(reasons_in(PLUGIN)) - {"Failed"}  # what a session shows that says no more

    attention = {"Late", "Suspended", "Unprotected"}
    assert words >= {"NoKubeconfig", "SessionEnded", "NotPausing"}
    assert sorted(words - ADVICE.keys() - attention) == []


def test_every_advice_and_exit_code_is_on_the_page() -> None:
    told = set(re.findall(r"^\| (\w+) \|", PAGE, re.MULTILINE))

    assert sorted(ADVICE.keys() - told) == []
    assert {"0", "1", "2", "130"} <= told

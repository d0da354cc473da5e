"""What the demo shows of sessions, and what it leaves for who goes on with it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from threading import Event

import pytest
import yaml

from tools.demo import handover, sessions
from tools.demo.narration import Narrator
from tools.local_cloud.toolchains import ROOT

KUBECTL = """\
NAME        VM       TYPE     PHASE          PROGRESS   READ      STORED   AGE
nightly-1   web-01   Backup   Transferring   41%                  0 B      32s
"""

SAY = r'printf "%s\n" "$KUBECONFIG" "$HTTPS_PROXY" "$PATH"'
READY = {
    "proxies": {"appliance": "http://127.0.0.1:39953"},
    "ca": "/some where/ca.pem",
    "tenantId": "7b6d0fb1-e276-4e77-910a-6acf195c445d",
}


def test_an_empty_cell_of_kubectls_table_stays_in_its_column() -> None:
    heading, row = sessions.columns(KUBECTL)

    assert heading == ["NAME", "VM", "TYPE", "PHASE", "PROGRESS", "READ", "STORED", "AGE"]
    assert row == ["nightly-1", "web-01", "Backup", "Transferring", "41%", "", "0 B", "32s"]


def test_a_heading_of_two_words_is_one_column() -> None:
    printed = "NAME   RECOVERY POINT   MODE\nback   web-01-2026      Disks\n"

    assert sessions.columns(printed) == [
        ["NAME", "RECOVERY POINT", "MODE"],
        ["back", "web-01-2026", "Disks"],
    ]


@pytest.mark.parametrize(
    "kind", [sessions.BACKUPS, sessions.RESTORES], ids=lambda kind: kind.plural
)
def test_lines_have_room_for_the_columns_that_the_crd_prints(kind: sessions.Kind) -> None:
    crd = yaml.safe_load((ROOT / "crds" / f"{kind.plural}.yaml").read_text())
    printed = crd["spec"]["versions"][0]["additionalPrinterColumns"]
    names = ["NAME", *(each["name"].upper() for each in printed if not each.get("priority"))]

    shown = sessions.line(kind, names)

    assert sessions.columns(shown) == [names]


def test_steps_side_by_side_come_to_their_results_in_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = Event()

    def last() -> str:
        first.set()
        return "b"

    came_to = Narrator().together({"one": lambda: first.wait(20), "another": last})

    assert came_to == [True, "b"]
    printed = capsys.readouterr().out
    assert "✓ one" in printed
    assert "✓ another" in printed


def test_a_step_that_fails_beside_another_is_told_and_raised(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise ValueError("no disk")

    with pytest.raises(ValueError, match="no disk"):
        Narrator().together({"good": lambda: None, "bad": fail})
    with pytest.raises(ValueError, match="no disk"), Narrator().meanwhile("aside", fail):
        pass

    printed = capsys.readouterr().out
    assert all(line in printed for line in ("✓ good", "✗ bad", "✗ aside"))


def test_what_is_done_beside_is_waited_for_unless_the_rest_has_failed() -> None:
    done, may_end = Event(), Event()

    def step() -> None:
        may_end.wait(20)
        done.set()

    with pytest.raises(KeyError), Narrator().meanwhile("aside", step):
        raise KeyError
    waited_for = done.is_set()
    may_end.set()
    assert not waited_for

    taken: list[bool] = []
    with Narrator().meanwhile("aside", lambda: taken.append(done.wait(20))):
        assert done.wait(20)
    assert taken == [True]


def test_the_times_of_all_parts_are_told() -> None:
    narrator = Narrator()
    narrator.part("1  one")
    narrator.part("2  another")

    assert [line.split() for line in narrator.times().splitlines()] == [
        ["Part", "Seconds"],
        ["1", "one", "0"],
        ["2", "another", "0"],
    ]


def test_a_shell_that_sources_the_environment_has_what_clients_ask_for(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    values = handover.variables(READY, tmp_path / "admin.kubeconfig")
    handover.write_environment(path, values, [tmp_path / "bin here"])

    done = subprocess.run(  # noqa: S603 - a shell, with our own file
        ["/bin/sh", "-c", f'. "$1"; {SAY}; env', "-", str(path)],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )

    kubeconfig, proxy, search, *_ = done.stdout.splitlines()
    assert kubeconfig == str(tmp_path / "admin.kubeconfig")
    assert proxy == "http://127.0.0.1:39953"
    assert search == f"{tmp_path / 'bin here'}:/usr/bin:/bin"
    assert "SSL_CERT_FILE=/some where/ca.pem" in done.stdout.splitlines()


def test_the_operators_are_stopped_and_as_many_started_by_what_is_printed() -> None:
    shipped = yaml.safe_load((ROOT / "charts" / "vmbackup" / "values.yaml").read_text())

    stop, start = handover.to_restart().splitlines()

    assert stop.endswith("deployment/vmbackup-operator -n vmbackup-system --replicas=0")
    assert start == stop.replace("=0", f"={shipped['replicas']}")


def test_only_its_owner_reads_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "environment"

    handover.write_environment(path, {"AZURE_CLIENT_SECRET": "s"}, [])

    assert path.stat().st_mode & 0o777 == 0o600

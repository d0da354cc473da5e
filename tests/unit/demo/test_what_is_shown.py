"""What the demo shows of sessions, and what it leaves for who goes on with it."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tools.demo import handover, sessions
from tools.local_cloud.operator_process import OperatorProcess

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


def test_the_operator_is_stopped_and_started_by_what_is_printed(tmp_path: Path) -> None:
    settings, kubeconfig = tmp_path / "settings.yaml", tmp_path / "its own kubeconfig"
    operator = OperatorProcess(settings, kubeconfig, READY, tmp_path / "operator.log")

    with pytest.raises(RuntimeError, match="not running"):  # nothing to stop is not printed
        handover.to_restart(operator)

    variable, *program = shlex.split(operator.typed())
    assert variable == f"KUBECONFIG={kubeconfig}"
    assert program[1:5] == ["-m", "vmbackup_operator", "--config", str(settings)]
    assert program[5] == "--instance"  # the same one again, and not a second operator


def test_only_its_owner_reads_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "environment"

    handover.write_environment(path, {"AZURE_CLIENT_SECRET": "s"}, [])

    assert path.stat().st_mode & 0o777 == 0o600

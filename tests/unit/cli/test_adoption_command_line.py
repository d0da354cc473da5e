"""What ``vmbackup adopt`` says before it reaches anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmbackup_operator.cli import main
from vmbackup_operator.cli.arguments import parse
from vmbackup_operator.cli.commands import Adopt

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"


def test_an_account_and_the_settings_are_what_it_needs() -> None:
    assert parse(["adopt", ACCOUNT, "--config", "s.yaml"]) == Adopt(ACCOUNT, Path("s.yaml"))


def test_settings_that_are_missing_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["adopt", ACCOUNT, "--config", str(tmp_path / "absent.yaml")]) == 2

    assert "absent.yaml" in capsys.readouterr().err

"""A start of the operator that cannot succeed: it ends at once, and says all that is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from tools.local_cloud.installation import example_settings, write_settings


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "vmbackup_operator", *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_wrong_settings_end_the_start_with_every_problem_named(tmp_path: Path) -> None:
    wrong = example_settings()
    del wrong["appliance"]["tenantId"]
    wrong["workers"]["timeoutSeconds"] = 1
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(wrong))

    ended = start("--config", str(path))

    assert ended.returncode == 2
    assert "appliance.tenantId: is missing" in ended.stderr
    assert "workers.timeoutSeconds" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_bundle_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    tenant = {"tenantId": example_settings()["appliance"]["tenantId"]}
    path = write_settings(tmp_path / "settings.yaml", tenant, tmp_path / "nothing")

    ended = start("--config", str(path))

    assert ended.returncode == 2
    assert f"workers.bundle: {tmp_path / 'nothing'} holds no bundle.json" in ended.stderr


def test_settings_that_are_not_there_are_named(tmp_path: Path) -> None:
    ended = start("--config", str(tmp_path / "none.yaml"))

    assert ended.returncode == 2
    assert "none.yaml" in ended.stderr

"""The command that builds Go programs, and says which are missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.sources import ROOT


def said(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.local_cloud.go_programs", *arguments]
    return subprocess.run(  # noqa: S603 - our own program
        command, cwd=ROOT, env={"HOME": str(home)}, capture_output=True, text=True, check=False
    )


def test_what_was_never_built_is_named_with_what_builds_it(tmp_path: Path) -> None:
    missing = said(tmp_path, "--missing")

    assert (missing.returncode, missing.stderr) == (0, "")
    assert missing.stdout.splitlines() == [
        "helm is not built (make helm): its tests are skipped",
        "kwok is not built (make kwok): its tests are skipped",
        "kube-scheduler is not built (make kwok): its tests are skipped",
        "promtool is not built (make promtool): its tests are skipped",
        "kubelet is not built (make kubelet): its tests are skipped",
        "source-controller is not built (make flux): its tests are skipped",
        "kustomize-controller is not built (make flux): its tests are skipped",
    ]


def test_a_name_that_is_none_of_them_is_refused(tmp_path: Path) -> None:
    refused = said(tmp_path, "helmet")

    assert refused.returncode == 2
    assert "helmet is none of helm, kwok, kube-scheduler, promtool, " in refused.stderr

"""docs/getting-started-aks.md: Azure CLI knows each of its commands, and each option of them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.contract.clients.programs import built, run
from tests.getting_started import typed
from tools.local_cloud.client_programs import AZURE_CLI
from tools.local_cloud.operator_process import clean_environment


def asked(folder: Path) -> dict[str, set[str]]:
    """Return the commands of the page, each with the options that it is given anywhere."""
    found: dict[str, set[str]] = {}
    for words in typed(folder).of("az"):
        names = words[: next(at for at, word in enumerate(words) if word.startswith("--"))]
        options = {word for word in words if word.startswith("--")}
        found.setdefault(" ".join(names), set()).update(options)
    return found


def test_azure_cli_knows_each_command_and_option_of_the_page(tmp_path: Path) -> None:
    program = built(AZURE_CLI)
    environment = clean_environment() | {
        "HOME": str(tmp_path),
        "AZURE_CONFIG_DIR": str(tmp_path / "azure"),
        "AZURE_CORE_COLLECT_TELEMETRY": "no",
        "AZURE_CORE_NO_COLOR": "yes",
    }
    unknown = {}
    for command, options in asked(tmp_path).items():
        help_ = run(program, *command.split(), "--help", environment=environment, folder=tmp_path)
        if missing := options - set(re.findall(r"--[a-z-]+", help_.printed)):
            unknown[command] = missing

    assert unknown == {}

"""docs/kubectl.md shows the plugin's answers as it gives them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.kubectl_plugin.page import SHOWN

PAGE = (Path(__file__).resolve().parents[3] / "docs/kubectl.md").read_text()
BLOCKS = dict(re.findall(r"^```\n\$ kubectl vmbackup (.+)\n((?:.*\n)*?)```$", PAGE, re.MULTILINE))


def test_the_page_shows_all_of_them() -> None:
    assert BLOCKS.keys() == SHOWN.keys()


@pytest.mark.parametrize("command", SHOWN)
def test_an_answer_is_as_the_page_shows_it(command: str) -> None:
    assert BLOCKS[command] == SHOWN[command]()

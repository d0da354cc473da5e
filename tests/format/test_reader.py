"""The reader that was written from the page alone, started as anybody would start it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = (HERE / "../../docs/repository-format-1.0.md").resolve()


def read(*arguments: object) -> Any:
    """What the reader prints; it sees nothing but its own folder and the installed libraries."""
    command = [sys.executable, "-I", HERE / "reader", *arguments]
    ended = subprocess.run(  # noqa: S603 - our own program
        list(map(str, command)), capture_output=True, check=False, cwd="/"
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return json.loads(ended.stdout)


def known_rows() -> list[tuple[str, str]]:
    section = PAGE.read_text().split("## 37. Known values")[1]
    return re.findall(r"^\| ([^|]+) \| `([^`|]+)` \|$", section, re.MULTILINE)


def test_the_known_values_follow_from_the_page() -> None:
    computed, rows = read("--known-values"), known_rows()
    assert len(rows) == len(computed) == 24
    for text, value in rows:
        matching = [row for row in computed if text.startswith(row)]
        assert matching, text
        assert computed[max(matching, key=len)] == value, text


def test_the_printed_wrap_opens_with_its_user_key(tmp_path: Path) -> None:
    printed = PAGE.read_text().rsplit("```", 2)[1]
    (tmp_path / "wrap").write_text(printed)
    (tmp_path / "key").write_bytes(bytes(range(32)))
    for folder in ("control", "data"):
        (tmp_path / folder).mkdir()
    report = read(tmp_path, tmp_path / "key", "--json", "--wrap", tmp_path / "wrap")
    assert report["repositoryId"] == dict(known_rows())["repository id"]
    assert report["masters"] == [1]

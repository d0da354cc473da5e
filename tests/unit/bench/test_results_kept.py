"""Each part of the bench leaves what the others have measured."""

from __future__ import annotations

import json
from pathlib import Path

from tools.bench.__main__ import keep, main


def test_a_part_is_written_beside_the_others(tmp_path: Path) -> None:
    result = tmp_path / "bench" / "operator.json"
    keep(result, {"scale": {"seconds": 1}, "steady": {"arm_writes": 25}})
    keep(result, {"steady": {"arm_writes": 19}})

    assert json.loads(result.read_text()) == {
        "scale": {"seconds": 1}, "steady": {"arm_writes": 19},
    }  # fmt: skip


def test_a_part_that_there_is_not_is_said() -> None:
    assert main(["sclae"]) == 2

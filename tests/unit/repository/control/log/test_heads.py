"""A log's head as a person writes it down."""

from __future__ import annotations

import pytest

from vmbackup_core.repository.control.log.heads import Head, read_head
from vmbackup_core.repository.primitives.names import LAST_LOG_NUMBER

DIGEST = "0a" * 32


@pytest.mark.parametrize("number", [1, 1_000, LAST_LOG_NUMBER])
def test_a_head_is_read_as_it_was_written_down(number: int) -> None:
    assert read_head(f"{number}:{DIGEST}") == Head(number, DIGEST)


@pytest.mark.parametrize(
    "told",
    ["", "4", f"0:{DIGEST}", f"04:{DIGEST}", f"{LAST_LOG_NUMBER + 1}:{DIGEST}", f"4:{'0A' * 32}"],
    ids=["nothing", "no digest", "zero", "zeros", "no log has as many", "capitals"],
)
def test_what_no_log_has_is_no_head(told: str) -> None:
    with pytest.raises(ValueError, match="is no NUMBER:DIGEST"):
        read_head(told)

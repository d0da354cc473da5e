"""A session's object that is made again at whatever moment: it ends well and leaves nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sessions.test_session_recreated import check_end, ended_after_loss_at


@given(st.integers(1, 200))
async def test_made_again_before_or_after_any_write_it_leaves_nothing_behind(moment: int) -> None:
    check_end(*await ended_after_loss_at(moment))

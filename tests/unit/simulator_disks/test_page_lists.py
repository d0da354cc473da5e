"""Page lists come in pages that together are the whole."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from azure_simulator.disks.pages import (
    PageRange,
    marker_of,
    offset_of,
    one_answer,
    page_list,
    page_ranges,
    within,
)

RANGES = page_ranges([(0, 4096), (16384, 4096)], [(8192, 4096)])


def parsed(following: int | None, *, paged: bool) -> ET.Element:
    return ET.fromstring(page_list(RANGES, following, paged=paged))  # noqa: S314 - our own


def test_both_kinds_come_in_order_of_their_start() -> None:
    assert [
        PageRange(0, 4095),
        PageRange(8192, 12287, cleared=True),
        PageRange(16384, 20479),
    ] == RANGES


def test_ranges_are_cut_to_what_was_asked_for() -> None:
    assert within(RANGES, 1024, 9000) == [
        PageRange(1024, 4095),
        PageRange(8192, 9000, cleared=True),
    ]


@pytest.mark.parametrize("most", [1, 2, 3, 10])
def test_answers_together_are_the_whole(most: int) -> None:
    collected: list[PageRange] = []
    marker = ""
    while True:
        chosen, following = one_answer(RANGES, most, offset_of(marker))
        assert len(chosen) <= most
        collected += chosen
        marker = marker_of(following)
        if not marker:
            break

    assert collected == RANGES


@pytest.mark.parametrize("marker", ["x", "!!!", "Mg==", "MiEtMQ=="])
def test_a_marker_that_was_not_given_out_is_refused(marker: str) -> None:
    with pytest.raises(ValueError, match="no marker"):
        offset_of(marker)


def test_the_body_is_azures_xml() -> None:
    root = parsed(20480, paged=True)

    assert [child.tag for child in root] == ["PageRange", "ClearRange", "PageRange", "NextMarker"]
    assert root[1].findtext("Start") == "8192"
    assert root[1].findtext("End") == "12287"
    assert offset_of(root.findtext("NextMarker") or "") == 20480


def test_the_last_answer_has_an_empty_marker_and_old_versions_none() -> None:
    assert parsed(None, paged=True).find("NextMarker") is not None
    assert parsed(None, paged=False).find("NextMarker") is None

"""Names are made and taken apart as the format's page says; every other name is foreign."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.known_values import CHAIN, PACK, RUN, known
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.primitives import names
from vmbackup_core.repository.primitives.identities import (
    Fingerprint,
    IndexId,
    PackId,
    VmId,
    WritingSession,
    draw,
    is_id,
)
from vmbackup_core.repository.primitives.parsed_names import (
    ChainHeaderName,
    CommitName,
    ControlName,
    DataName,
    HeaderName,
    HoldName,
    IndexName,
    ListPartName,
    LogName,
    ManifestName,
    PackName,
    PointName,
    Reserved,
    StateName,
    WrapName,
    name_in_chain,
    parse_control,
    parse_data,
)
from vmbackup_core.stores.port import checked_name

SESSION = WritingSession("bb" * 16)
VM = VmId("dd" * 16)
DRAWN = "ee" * 16
FINGERPRINT = Fingerprint("ff" * 16)
SLOT = CommitSlot(42)

IN_CONTROL: list[tuple[str, ControlName]] = [
    ("header", HeaderName(1)),
    ("header-00000002", HeaderName(2)),
    (f"w/00000001-{FINGERPRINT}", WrapName(1, FINGERPRINT)),
    ("l/fffffff/ffe", LogName(1)),
    ("l/8000000/000", LogName(2**39 - 1)),
    (f"s/fffffff/c17-{DRAWN}-0003", StateName(1000, DRAWN, 3)),
    (f"c/{CHAIN}/chain", ChainHeaderName(CHAIN)),
    (f"c/{CHAIN}/k/fffff/fd5", CommitName(CHAIN, SLOT)),
    (f"c/{CHAIN}/k/80000/000", CommitName(CHAIN, CommitSlot(2**31 - 1))),
    (f"c/{CHAIN}/x/00000/02a/{DRAWN}-ffff", ListPartName(CHAIN, SLOT, DRAWN, 65535)),
    (f"v/{VM}/{RUN}", PointName(VM, RUN)),
    (f"d/{CHAIN}/00000/02a/{DRAWN}", HoldName(CHAIN, SLOT, DRAWN)),
    ("a/anything", Reserved()),
]
IN_DATA: list[tuple[str, DataName]] = [
    ("header", HeaderName(1)),
    ("header-ffffffff", HeaderName(2**32 - 1)),
    (f"w/00000002-{FINGERPRINT}", WrapName(2, FINGERPRINT)),
    (known("its name"), PackName(CHAIN, PACK)),
    (f"c/{CHAIN}/i/00000/02a/{SESSION}-00001/001", IndexName(CHAIN, IndexId(SLOT, SESSION, 4097))),
    (f"c/{CHAIN}/m/00000/02a/{SESSION}", ManifestName(CHAIN, SLOT, SESSION)),
    (f"c/{CHAIN}/h/{SESSION}-00000/002", PackName(CHAIN, PackId(CommitSlot(0), SESSION, 2))),
    ("a/anything", Reserved()),
]


def made(name: DataName | ControlName) -> str:  # noqa: C901, PLR0911, PLR0912 - one line a kind
    match name:
        case HeaderName(epoch):
            return names.header_name(epoch)
        case WrapName(epoch, fingerprint):
            return names.wrap_name(epoch, fingerprint)
        case PackName(chain, pack):
            return names.pack_name(chain, pack)
        case IndexName(chain, index):
            return names.index_name(chain, index)
        case ManifestName(chain, slot, session):
            return names.manifest_name(chain, slot, session)
        case LogName(number):
            return names.log_name(number)
        case StateName(number, drawn, part):
            return names.state_name(number, drawn, part)
        case ChainHeaderName(chain):
            return names.chain_header_name(chain)
        case CommitName(chain, slot):
            return names.commit_name(chain, slot)
        case ListPartName(chain, slot, drawn, part):
            return names.list_part_name(chain, slot, drawn, part)
        case PointName(vm, run):
            return names.point_name(vm, run)
        case HoldName(chain, slot, holder):
            return names.hold_name(chain, slot, holder)
        case Reserved():
            return "a/anything"


@pytest.mark.parametrize(("text", "parsed"), IN_CONTROL, ids=[text for text, _ in IN_CONTROL])
def test_a_name_in_control_is_made_and_taken_apart(text: str, parsed: ControlName) -> None:
    assert parse_control(text) == parsed
    assert made(parsed) == text


@pytest.mark.parametrize(("text", "parsed"), IN_DATA, ids=[text for text, _ in IN_DATA])
def test_a_name_in_data_is_made_and_taken_apart(text: str, parsed: DataName) -> None:
    assert parse_data(text) == parsed
    assert made(parsed) == text


@pytest.mark.parametrize("text", sorted({text for text, _ in [*IN_CONTROL, *IN_DATA]}))
def test_a_name_is_short_and_every_store_can_hold_it(text: str) -> None:
    assert checked_name(text) == text
    assert len(text) <= 120
    assert len(text.rpartition("/")[2]) <= 83


@pytest.mark.parametrize(
    "text",
    [
        "",
        "header-00000001",
        "header-2",
        "header\n",
        f"w/00000000-{FINGERPRINT}",
        f"w/00000001-{FINGERPRINT.upper()}",
        "l/fffffff/fff",  # number 0
        "l/7ffffff/fff",  # number 2^39
        f"c/{CHAIN}/k/fffff/fff",  # slot 0
        f"c/{CHAIN}/k/7ffff/fff",  # slot 2^31
        f"c/{CHAIN}/k/fffff/fd5/x",
        f"c/{CHAIN}/x/00000/000/{DRAWN}-0000",
        f"d/{CHAIN}/00000/02a/someone",
        f"v/{VM}/{RUN}.tmp",
        f"c/{CHAIN[:-1]}/chain",
        f"c/{CHAIN}/p/00000/02a/{SESSION}-00000/000",
    ],
)
def test_any_other_name_is_foreign_in_control(text: str) -> None:
    assert parse_control(text) is None


@pytest.mark.parametrize(
    "text",
    [
        f"c/{CHAIN}/p/00000/000/{SESSION}-00000/000",
        f"c/{CHAIN}/p/80000/000/{SESSION}-00000/000",
        f"c/{CHAIN}/p/00000/02a/{SESSION}-00000000",
        f"c/{CHAIN}/p/00000/02a/{SESSION}-0000G/000",
        f"c/{CHAIN}/m/00000/02a/{SESSION}-00000",
        f"c/{CHAIN}/chain",
        f"v/{VM}/{RUN}",
        "l/fffffff/ffe",
    ],
)
def test_any_other_name_is_foreign_in_data(text: str) -> None:
    assert parse_data(text) is None


@given(st.text("acdhikmpvwx/0f-\né", max_size=60))
def test_no_text_makes_the_parsers_fail(text: str) -> None:
    for parsed in (parse_data(text), parse_control(text)):
        assert parsed is None or made(parsed) == text or isinstance(parsed, Reserved)


def test_a_pack_id_has_the_known_bytes() -> None:
    assert PACK.packed().hex() == known("pack id of slot 42")
    assert PackId.parse(PACK.packed()) == PACK


@given(st.lists(st.tuples(st.integers(1, 2**31 - 1), st.integers(0, 2**32 - 1)), max_size=8))
def test_packs_are_in_the_order_of_their_names(numbers: list[tuple[int, int]]) -> None:
    packs = [PackId(CommitSlot(slot), SESSION, number) for slot, number in numbers]

    assert sorted(packs) == sorted(packs, key=lambda pack: names.pack_name(CHAIN, pack))


@given(st.lists(st.integers(1, 2**31 - 1), unique=True, max_size=8))
def test_the_newest_commit_and_log_object_are_listed_first(numbers: list[int]) -> None:
    descending = sorted(numbers, reverse=True)

    commits = [names.commit_name(CHAIN, CommitSlot(slot)) for slot in descending]
    log = [names.log_name(number) for number in descending]
    assert (commits, log) == (sorted(commits), sorted(log))


def test_a_name_that_no_object_has_is_not_made() -> None:
    makers: list[Callable[[], str]] = [
        lambda: names.commit_name(CHAIN, CommitSlot(0)),
        lambda: names.commit_name(CHAIN, CommitSlot(2**31)),
        lambda: names.log_name(0),
        lambda: names.log_name(2**39),
        lambda: names.header_name(0),
        lambda: names.wrap_name(0, FINGERPRINT),
        lambda: names.wrap_name(1, "not/an/id"),
        lambda: names.list_part_name(CHAIN, SLOT, DRAWN, 65536),
        lambda: names.manifest_name(CHAIN, SLOT, WritingSession("../../x")),
    ]
    for make in makers:
        with pytest.raises(ValueError, match="is n"):
            make()


def test_a_prefix_begins_the_names_that_it_stands_for() -> None:
    assert names.pack_name(CHAIN, PACK).startswith(
        names.prefix_of_session(CHAIN, "p", PACK.slot, PACK.session)
    )
    assert names.commit_name(CHAIN, SLOT).startswith(names.prefix_of_commits(CHAIN))
    assert names.hold_name(CHAIN, SLOT, DRAWN).startswith(names.prefix_of_holds(CHAIN, SLOT))
    assert names.point_name(VM, RUN).startswith(names.prefix_of_points(VM))


def test_a_name_within_a_chain_is_read_by_its_pattern() -> None:
    rest = f"m/00000/02a/{SESSION}"
    part = f"x/00000/02a/{DRAWN}-0000"

    assert name_in_chain(CHAIN, rest) == f"c/{CHAIN}/{rest}"
    assert name_in_chain(CHAIN, part) == f"c/{CHAIN}/{part}"
    for stray in ("chain", "m/../../header", f"p/00000/02a/{SESSION}-00000/000", "", "k/fffff/fd5"):
        with pytest.raises(CorruptRepository, match="is no name of a manifest"):
            name_in_chain(CHAIN, stray)


def test_a_drawn_id_is_an_id_and_another_each_time() -> None:
    drawn = {draw() for _ in range(100)}

    assert len(drawn) == 100
    assert all(is_id(each) for each in drawn)

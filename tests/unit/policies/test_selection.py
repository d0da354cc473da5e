"""Which VMs a selector means, by their tags, and which can't be backed up at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.samples import VM
from vmbackup_operator.model.backup_policy import Exclusion, Selector
from vmbackup_operator.model.exclusions import TagWanted
from vmbackup_operator.naming import WORKER_TAG, ArmId, name_of
from vmbackup_operator.policies.ports import DiskListed, MachineListed
from vmbackup_operator.policies.selection import (
    is_selected,
    selected,
    unknown_luns,
    why_not_supported,
)


def in_small_letters(text: str) -> str:
    """Return *text* with its ASCII capitals, and no other letter, made small."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


SCOPES = ("/subscriptions/11111111-1111-4111-8111-111111111111",)

NAMES = st.text(alphabet="aBbK\u017f\u212a", min_size=1, max_size=3)
VALUES = st.sampled_from(["", "yes", "Yes", "no"])
#: Azure takes no two tags of one name, whatever its case.
TAGS = st.lists(
    st.tuples(NAMES, VALUES), max_size=3, unique_by=lambda tag: in_small_letters(tag[0])
).map(dict)
WANTED = st.lists(
    st.builds(TagWanted, NAMES, st.lists(VALUES, max_size=2).map(tuple)), max_size=3
).map(tuple)
IDS = st.sampled_from([ArmId(VM.replace("web-01", name)) for name in ("a", "A", "b", "c")])
MACHINES = st.builds(MachineListed, IDS, tags=TAGS)
SELECTORS = st.builds(
    Selector,
    st.just(SCOPES),
    WANTED,
    st.builds(Exclusion, WANTED, st.lists(IDS, max_size=2).map(tuple)),
)


def machine(name: str = "web-01", **tags: str) -> MachineListed:
    return MachineListed(ArmId(VM.replace("web-01", name)), tags=tags)


def selector(
    *tags: TagWanted, without: tuple[TagWanted, ...] = (), ids: tuple[str, ...] = ()
) -> Selector:
    return Selector(SCOPES, tags, Exclusion(without, ids))


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        (TagWanted("backup"), True),
        (TagWanted("BACKUP"), True),
        (TagWanted("backup", ("Nightly",)), True),
        (TagWanted("Backup", ("weekly", "Nightly")), True),
        (TagWanted("backup", ("nightly",)), False),
        (TagWanted("backup", ("",)), False),
        (TagWanted("bac\u212aup"), False),
        (TagWanted("team"), False),
    ],
    ids=["name", "name in capitals", "value", "one of", "value in small letters", "empty value",
         "another letter k", "none such"],
)  # fmt: skip
def test_names_of_tags_compare_without_case_and_values_with_it(
    wanted: TagWanted, *, has: bool
) -> None:
    assert wanted.is_met_by(machine(Backup="Nightly").tags) is has


def test_an_empty_value_is_a_value() -> None:
    assert TagWanted("backup").is_met_by(machine(backup="").tags)
    assert TagWanted("backup", ("", "x")).is_met_by(machine(backup="").tags)


def test_all_tags_are_asked_for_and_any_exclusion_counts() -> None:
    wanted = selector(
        TagWanted("backup"), TagWanted("team", ("web",)), without=(TagWanted("skip"),)
    )

    assert is_selected(wanted, machine(backup="", team="web"))
    assert not is_selected(wanted, machine(backup=""))
    assert not is_selected(wanted, machine(backup="", team="web", SKIP="no"))


def test_without_tags_every_vm_in_the_scopes_is_meant_but_those_excluded_by_id() -> None:
    listed = [machine("a"), machine("b"), machine("c")]

    found = selected(selector(ids=(VM.replace("web-01", "B").upper(),)), listed)

    assert [name_of(each.id) for each in found] == ["a", "c"]


def test_a_vm_that_two_scopes_list_is_meant_once_however_its_id_is_written() -> None:
    found = selected(selector(), [machine("a"), MachineListed(ArmId(machine("a").id.upper()))])

    assert len(found) == 1


def test_a_worker_of_ours_is_never_meant_and_a_vm_called_like_one_is() -> None:
    name = f"vmb-w-{'0' * 20}-1"
    worker = MachineListed(machine(name).id, tags={WORKER_TAG.upper(): "w-1"})

    assert not is_selected(selector(), worker)
    assert is_selected(selector(), machine(name))
    assert is_selected(selector(), MachineListed(machine("a").id, tags={WORKER_TAG: "w-1"}))


@given(wanted=SELECTORS, listed=st.lists(MACHINES, max_size=6))
def test_meant_is_just_what_has_every_tag_and_no_exclusion(
    wanted: Selector, listed: list[MachineListed]
) -> None:
    def meets(each: MachineListed, tag: TagWanted) -> bool:
        tags = {in_small_letters(name): value for name, value in each.tags.items()}
        value = tags.get(in_small_letters(tag.name))
        return value is not None and (not tag.values or value in tag.values)

    def is_meant(each: MachineListed) -> bool:
        barred = {in_small_letters(other) for other in wanted.exclude.ids}
        return (
            all(meets(each, tag) for tag in wanted.tags)
            and not any(meets(each, tag) for tag in wanted.exclude.tags)
            and in_small_letters(each.id) not in barred
        )

    found = [in_small_letters(each.id) for each in selected(wanted, listed)]

    assert found == sorted({in_small_letters(each.id) for each in listed if is_meant(each)})


@given(wanted=SELECTORS, listed=st.lists(MACHINES, max_size=6), more=WANTED)
def test_another_tag_never_means_more_and_another_exclusion_neither(
    wanted: Selector, listed: list[MachineListed], more: tuple[TagWanted, ...]
) -> None:
    def ids(one: Selector) -> set[str]:
        return {each.id for each in listed if is_selected(one, each)}

    narrower = Selector(SCOPES, wanted.tags + more, wanted.exclude)
    barred = Selector(
        SCOPES, wanted.tags, Exclusion(wanted.exclude.tags + more, wanted.exclude.ids)
    )

    assert ids(narrower) <= ids(wanted)
    assert ids(barred) == {
        each.id
        for each in listed
        if is_selected(wanted, each) and not any(tag.is_met_by(each.tags) for tag in more)
    }


def test_a_disk_without_snapshots_is_named_unless_it_is_excluded() -> None:
    ephemeral = DiskListed(None, "os", "is ephemeral")
    unmanaged = DiskListed(3, "old", "is not a managed disk")
    plain = DiskListed(0, "data")
    vm_id = machine().id

    assert why_not_supported(MachineListed(vm_id, (plain,)), ()) is None
    assert why_not_supported(MachineListed(vm_id, (plain, unmanaged)), (3,)) is None
    said = why_not_supported(MachineListed(vm_id, (plain, unmanaged)), ())
    assert said == "disk old of web-01 is not a managed disk"
    assert why_not_supported(MachineListed(vm_id, (plain, unmanaged)), (), "OSDiskOnly") is None
    assert why_not_supported(MachineListed(vm_id, (ephemeral,)), (), "OSDiskOnly") is not None
    said = why_not_supported(MachineListed(vm_id, (ephemeral,)), range(64))
    assert said == "disk os of web-01 is ephemeral"


def test_only_luns_that_no_vm_has_are_unknown() -> None:
    one = MachineListed(machine().id, (DiskListed(None), DiskListed(0)))
    other = MachineListed(machine("b").id, (DiskListed(5),))

    assert unknown_luns((0, 5, 9, 7), [one, other]) == [7, 9]

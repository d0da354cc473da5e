"""How Azure's tags are compared and put together."""

from __future__ import annotations

import pytest

from vmbackup_operator.arm_tags import has_tags, joined_tags, merged_tags, tag_value

OURS = {"vmbackup-appliance-id": "contoso", "team": "backup"}


def test_a_tag_is_found_in_whatever_case_its_name_is_written() -> None:
    assert tag_value({"VMBackup-Appliance-ID": "contoso"}, "vmbackup-appliance-id") == "contoso"


def test_the_kelvin_sign_is_no_k() -> None:
    assert tag_value({"vmbac\u212aup-appliance-id": "contoso"}, "vmbackup-appliance-id") is None


@pytest.mark.parametrize(
    ("existing", "has"),
    [
        (OURS, True),
        ({name.title(): value for name, value in OURS.items()}, True),
        ({**OURS, "cost": "1"}, True),
        ({**OURS, "team": "set by a policy"}, True),
        ({**OURS, "vmbackup-appliance-id": "other"}, False),
        ({"team": "backup"}, False),
        ({"vmbackup-appliance-id": "contoso"}, False),
    ],
    ids=[
        "the same",
        "recased",
        "more",
        "other value",
        "our value altered",
        "ours gone",
        "one gone",
    ],
)
def test_what_counts_as_having_the_tags(existing: dict[str, str], has: bool) -> None:  # noqa: FBT001 - a table
    assert has_tags(existing, OURS) is has
    assert has_tags(merged_tags(existing, OURS), OURS)


def test_merging_keeps_how_names_are_written_and_what_others_set() -> None:
    existing = {"VMBACKUP-APPLIANCE-ID": "altered", "Team": "web", "cost": "1"}

    assert merged_tags(existing, OURS) == {
        "VMBACKUP-APPLIANCE-ID": "contoso",
        "Team": "web",
        "cost": "1",
    }


def test_of_two_layers_with_one_name_the_later_one_holds() -> None:
    assert joined_tags({"Team": "a", "x": "1"}, {"team": "b"}) == {"team": "b", "x": "1"}

"""Where scenarios kill an operator is read from a journal, and what they compare is not blind."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from tests.scenario.points import (
    Kind,
    Point,
    changes,
    differences,
    every_point,
    kind_of,
    point_of_each_step,
    still_open,
)
from tests.scenario.two_operators import writers

GROUP = "/subscriptions/1/resourceGroups/vmb-eastus-i5ui3zoyvx"
ENDPOINT = f"{GROUP}/providers/Microsoft.Network/privateEndpoints/vmb-pe-85d2f5bcf04e-blob"
SNAPSHOT = f"{GROUP}/providers/Microsoft.Compute/snapshots/vmb-0af3-os"
EVENTS = "/vmb-events-bb235d3b8b2d4a478e0a-1-0af30af3"


def entry(service: str, method: str, path: str, **other: object) -> Mapping[str, object]:
    usual = {"caller": "appliance", "status": 201, "at": 1.0, "host": "h", "client_id": "one"}
    return {"service": service, "method": method, "path": path, **usual, **other}


WRITES = {
    "a resource": (entry("arm", "PUT", ENDPOINT), "microsoft.network/privateendpoints"),
    "a group": (entry("arm", "PUT", GROUP), "microsoft.resources/resourcegroups"),
    "an action": (
        entry("arm", "POST", f"{SNAPSHOT}/beginGetAccess"),
        "microsoft.compute/snapshots begingetaccess",
    ),
    "a commit": (entry("blob", "PUT", "/vm-c/c/00e68bcf/k/fffff/ffe"), "/vm-c/c/*/k/*"),
    "a queue": (entry("queue", "PUT", EVENTS), "/vmb-events-*"),
    "messages": (entry("queue", "GET", f"{EVENTS}/messages"), "/vmb-events-*/messages"),
}


@pytest.mark.parametrize(("written", "what"), WRITES.values(), ids=WRITES)
def test_a_write_is_of_a_kind_that_finds_it_again_and_no_other(
    written: Mapping[str, str], what: str
) -> None:
    kind = kind_of(written)

    assert kind is not None
    assert kind.what == what
    found = {
        other["path"]
        for other, _ in WRITES.values()
        if (other["service"], other["method"]) == (kind.service, kind.method)
        and re.search(kind.match["path"], str(other["path"]), re.IGNORECASE)
    }
    assert found == {written["path"]}


NOT_WRITTEN = {
    "a look": entry("arm", "GET", ENDPOINT),
    "a worker's pack": entry("blob", "PUT", "/vm-c/c/00e6/p/00/01", caller="/a/worker"),
    "what never came": entry("arm", "PUT", ENDPOINT, status=499),
}


@pytest.mark.parametrize("other", NOT_WRITTEN.values(), ids=NOT_WRITTEN)
def test_nothing_else_is_a_point_or_a_change(other: Mapping[str, object]) -> None:
    assert every_point([other], "before") == []
    assert changes([other]) == {}


def test_what_is_asked_twice_or_never_is_told() -> None:
    once, twice = [entry("arm", "PUT", ENDPOINT)], [entry("arm", "PUT", ENDPOINT)] * 2

    assert differences(changes(once), changes(once)) == []
    for one, other, said in ((once, twice, "2 for 1"), (twice, once, "1 for 2"), (once, [], "0")):
        (told,) = differences(changes(one), changes(other))
        assert told.startswith(f"PUT microsoft.network/privateendpoints: {said}")


def test_a_refused_write_counts_where_resource_manager_was_asked() -> None:
    refused = entry("arm", "PUT", ENDPOINT, status=409)
    not_new = entry("blob", "PUT", "/vm-c/c/00e6/k/01", status=409)

    assert differences(changes([]), changes([refused, not_new])) == [
        "PUT microsoft.network/privateendpoints: 1 for 0"
    ]


def test_a_step_begins_with_the_first_write_before_its_condition_is_true() -> None:
    log = "\n".join(
        f"1970-01-01T00:00:0{second}.500Z INFO    session web-team/x: {condition} True: Succeeded"
        for second, condition in ((1, "SnapshotsReady"), (2, "EnvironmentReady"), (3, "Complete"))
    )
    entries = [
        entry("arm", "PUT", SNAPSHOT, at=1.0),
        entry("arm", "PUT", SNAPSHOT, at=1.8),
        entry("arm", "PUT", ENDPOINT, at=2.0),
        entry("arm", "DELETE", ENDPOINT, at=9.0),
    ]

    assert point_of_each_step(entries, log, "web-team/x") == {
        "SnapshotsReady": Point(Kind("arm", "PUT", "microsoft.compute/snapshots"), "before"),
        "EnvironmentReady": Point(
            Kind("arm", "PUT", "microsoft.network/privateendpoints"), "after"
        ),
    }


def test_a_queue_that_stays_and_access_that_goes_on_are_left_open() -> None:
    made = [entry("queue", "PUT", EVENTS), entry("arm", "POST", f"{SNAPSHOT}/beginGetAccess")]
    ended = [
        entry("queue", "DELETE", EVENTS, at=2.0, status=204),
        entry("arm", "POST", f"{SNAPSHOT}/endGetAccess", at=2.0, status=202),
    ]

    assert still_open([*made, *ended]) == []
    assert len(still_open([*made, *ended, *({**each, "at": 3.0} for each in made)])) == 2


def test_two_that_write_in_turns_are_told_apart_by_the_ends_of_their_ids() -> None:
    one, other = "0" * 24 + "a" * 12, "0" * 24 + "b" * 12
    said = [entry("arm", "PUT", ENDPOINT, client_id=who) for who in (one, one, other, one)]

    assert writers(said) == ["a" * 12, "b" * 12, "a" * 12]
    assert writers([entry("arm", "GET", ENDPOINT, client_id=one)]) == []

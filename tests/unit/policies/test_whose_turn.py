"""Two ids tell who had a turn; nobody has two on an occasion, everybody has one in the end."""

from __future__ import annotations

from itertools import count
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.memory_policies import fleet
from vmbackup_operator.model.backup_policy import Occasion
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies.turns import last_of, owed, with_begun, with_passed_over

names = st.sets(st.text("aAbBz", min_size=1, max_size=3), min_size=1, max_size=8)


def machines_called(found: set[str]) -> list[ArmId]:
    """Return VMs of these names; Azure takes two that differ in case for one."""
    return [ArmId(f"/vm/{name}") for name in {name.lower(): name for name in found}.values()]


@given(names, st.lists(st.integers(1, 9), min_size=8, max_size=8), st.randoms())
def test_everybody_has_a_turn_before_anybody_has_a_second(
    found: set[str], rooms: list[int], chance: Random
) -> None:
    machines = machines_called(found)
    occasion: Occasion | None = None
    turns: list[ArmId] = []
    for room in rooms:
        occasion = Occasion(after=last_of(occasion))
        chance.shuffle(machines)
        before = len(turns)
        for _ in range(room):
            for vm_id in owed(occasion, machines)[:1]:
                occasion = with_begun(occasion, vm_id)
                turns.append(vm_id)
        assert len(set(turns[before:])) == len(turns) - before

    round_of = len(machines)
    for start in range(len(turns) - round_of + 1):
        assert len(set(turns[start : start + round_of])) == round_of


@given(names, st.data())
def test_what_is_owed_is_told_by_the_occasion_alone(found: set[str], data: st.DataObject) -> None:
    machines = machines_called(found)
    after = data.draw(st.none() | st.sampled_from([*machines, ArmId("/vm/gone"), ArmId("/vm/b")]))
    occasion = Occasion(after=after)
    begun: set[ArmId] = set()
    over: list[ArmId] = []
    for number in count():
        left = owed(occasion, machines)
        assert set(left) == set(machines) - begun
        assert [vm_id for vm_id in left if vm_id in over] == left[: len(over)]
        if not left:
            break
        vm_id = next((each for each in left if each not in over), left[0])
        if vm_id not in over and data.draw(st.booleans(), label=f"busy {number}"):
            occasion = with_passed_over(occasion, vm_id)
            over.append(vm_id)
            continue
        vm_id = data.draw(st.sampled_from([vm_id, *over]))
        occasion = with_begun(occasion, vm_id)
        begun.add(vm_id)
        over = [each for each in over if each != vm_id]


def test_the_next_occasion_begins_behind_the_last_turn() -> None:
    one, two, three = fleet(3)
    first = with_begun(Occasion(), one)

    second = Occasion(after=last_of(first))

    assert owed(second, [one, two, three]) == [two, three, one]
    assert last_of(second) == one
    assert owed(with_begun(second, two), [one, two, three]) == [three, one]


def test_a_vm_that_was_taken_out_or_recased_moves_nobodys_turn() -> None:
    one, two, three = fleet(3)
    occasion = with_begun(Occasion(after=one), two)

    assert owed(occasion, [one, three]) == [three, one]
    assert owed(occasion, [ArmId(one.upper()), ArmId(two.upper()), three]) == [three, one.upper()]

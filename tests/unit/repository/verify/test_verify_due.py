"""Which VMs are due, by the log; and that a check's findings of index objects are logged, too."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.repository.control.log_bench import MOMENT
from tests.unit.repository.opened.whole_bench import VM_ID
from tests.unit.repository.verify.verify_bench import VerifyBench, a_disk, asking
from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.repair.bad_packs import log_bad, told_by
from vmbackup_core.repository.control.verify.verify_cursor import Cursor
from vmbackup_core.repository.control.verify.verify_work import VmDue
from vmbackup_core.repository.data.grants import BadObject

DAY = timedelta(days=1)
OTHER_VM = VM_ID.replace("Web", "Db")


def due(bench: VerifyBench, days: float, **verified_days: float) -> list[VmDue]:
    """Return what is due so many days after the beginning; run n was made on day n."""
    verified = {
        (VM_ID if name == "web" else OTHER_VM).lower(): MOMENT + DAY * day
        for name, day in verified_days.items()
    }
    return bench.verification().due(3 * DAY, 91 * DAY, MOMENT + DAY * days, verified)


def small(seed: int) -> dict[str, bytes]:
    return {"os": a_disk(seed)["os"][: 4 * 4096]}


@pytest.fixture
def bench() -> VerifyBench:
    return VerifyBench().started(small(1))


def test_new_packs_are_due_before_they_would_be_overdue(bench: VerifyBench) -> None:
    assert due(bench, 2.9) == []
    (vm,) = due(bench, 3.1)

    assert (vm.vm_id, vm.vm_name, vm.new, vm.rota) == (VM_ID, "Web", True, False)
    assert vm.since == MOMENT + 3 * DAY


def test_what_was_read_is_not_due(bench: VerifyBench) -> None:
    bench.session()

    assert due(bench, 7) == []


def test_a_slot_that_was_begun_is_due_until_it_is_read() -> None:
    bench = VerifyBench().started(a_disk(1))
    verification = bench.verification()
    work = verification.plan(VM_ID, asking(most_bytes=1))
    assert work is not None
    verification.judge(work, bench.honest(work))

    assert [vm.new for vm in due(bench, 4)] == [True]


def test_old_packs_are_due_a_week_after_they_were_last_read(bench: VerifyBench) -> None:
    bench.session()

    assert [vm.rota for vm in due(bench, 8.1)] == [True]
    assert due(bench, 14.9, web=8) == []
    assert [vm.since for vm in due(bench, 15.1, web=8)] == [MOMENT + 15 * DAY]


def test_the_longest_due_comes_first(bench: VerifyBench) -> None:
    bench.back_up(2, {"db": small(2)["os"]}, vm_id=OTHER_VM)

    assert [vm.vm_name for vm in due(bench, 7)] == ["Web", "Db"]
    bench.session()
    assert [vm.vm_name for vm in due(bench, 7)] == ["Db"]


def test_a_vm_whose_newest_point_is_damaged_is_known_by_another(bench: VerifyBench) -> None:
    bench.back_up(2, small(2))
    control = bench.places.control
    newest = next(each.name for each in control.list("v/") if bench.run(2) in each.name)
    content = bytearray(control.get(newest))
    content[100] ^= 1
    control.delete(newest)
    control.put_new(newest, bytes(content))

    assert [vm.vm_id for vm in due(bench, 7)] == [VM_ID]


@pytest.mark.parametrize("text", ["x", "0" * 32, f"{'0' * 32}/new/-1", f"{'0' * 32}/old", "/new"])
def test_a_cursor_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PermanentError):
        Cursor.parse(text)


def test_a_section_that_a_check_finds_damaged_is_logged_and_not_named_again(
    bench: VerifyBench,
) -> None:
    name = next(each.name for each in bench.data.list("c/") if "/i/" in each.name)
    bench.damage(name, 100)
    repository = bench.opened()
    report = repository.check(read_data=False)

    log_bad(repository.log, bench.data, told_by(report.findings))
    (entry,) = bench.bad()
    point = bench.back_up(2, small(1))

    assert (entry.object, entry.what, entry.parts) == ("index", "damaged", (0,))
    assert BadObject(entry.object, entry.id, entry.parts).parts == (0,)
    assert bench.restored(point) == []


def test_a_section_that_is_whole_is_not_logged(bench: VerifyBench) -> None:
    damaged = bench.copied()
    name = next(each.name for each in bench.data.list("c/") if "/i/" in each.name)
    damaged.damage(name, 100)
    told = list(told_by(damaged.opened().check(read_data=False).findings))

    assert len(told) == 1
    assert log_bad(bench.opened().log, bench.data, told).entries == ()
    assert len(log_bad(damaged.opened().log, damaged.data, told).entries) == 1

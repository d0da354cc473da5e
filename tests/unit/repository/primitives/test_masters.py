"""What a master names and opens, and which epochs a key ring lacks."""

from __future__ import annotations

import pytest

from tests.unit.repository.known_values import CHAIN, MASTER, REPOSITORY, RUN, known
from vmbackup_core.ids import DiskUniqueId
from vmbackup_core.repository.primitives.failures import KeyRingIncomplete, NoSuchEpoch
from vmbackup_core.repository.primitives.masters import KeyRing, Master

ONE = Master(REPOSITORY, 1, MASTER)
THREE = Master(REPOSITORY, 3, b"3" * 32)
DISK = DiskUniqueId("11111111-2222-3333-4444-55555555ABCD")
VM = "/subscriptions/S/resourceGroups/R/providers/Microsoft.Compute/virtualMachines/Web"


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("master id", ONE.master_id),
        ("header key", ONE.header_key().hex()),
        ("control secret", ONE.control_secret().hex()),
        ("CHAIN of", ONE.chain_name(DISK, 0)),
        ("VM of", ONE.vm_name(VM)),
        ("hash key", ONE.hash_key(CHAIN).hex()),
        ("metadata secret", ONE.metadata(CHAIN).hex()),
        ("data secret", ONE.data(CHAIN).hex()),
    ],
)
def test_what_is_derived_from_a_master_is_the_known_value(what: str, value: str) -> None:
    assert value == known(what)


def test_the_case_of_the_letters_a_to_z_changes_no_name() -> None:
    assert ONE.chain_name(DiskUniqueId(DISK.swapcase()), 0) == ONE.chain_name(DISK, 0)
    assert ONE.vm_name(VM.upper()) == ONE.vm_name(VM.lower())
    assert ONE.vm_name("/groups/Ä") != ONE.vm_name("/groups/ä")


def test_generations_archives_and_epochs_have_names_of_their_own() -> None:
    found = {
        ONE.chain_name(DISK, 0),
        ONE.chain_name(DISK, 1),
        THREE.chain_name(DISK, 0),
        ONE.archive_name(RUN, DISK),
    }

    assert len(found) == 4


def test_a_key_ring_tells_an_epoch_that_it_lacks_from_one_that_never_was() -> None:
    ring = KeyRing(REPOSITORY, {1: ONE, 3: THREE}, frozenset({1, 2, 3}))

    assert ring.of(3) == THREE
    assert ring.control_secret(1) == ONE.control_secret()
    assert ring.lacking == {2}
    with pytest.raises(KeyRingIncomplete, match="epoch 2") as refused:
        ring.of(2)
    with pytest.raises(NoSuchEpoch):
        ring.of(4)
    assert refused.value.epoch == 2


def test_no_secret_is_shown() -> None:
    ring = KeyRing(REPOSITORY, {1: ONE}, frozenset({1}))

    assert all("x80" not in repr(each) for each in (ONE, ring))

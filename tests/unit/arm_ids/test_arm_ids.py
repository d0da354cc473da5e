"""ARM ids are compared as Azure does: part by part, without case, and case of ASCII only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_operator.arm_ids import container_id, folded, is_arm_id, lies_within, same_id

SUBSCRIPTION = "/subscriptions/11111111-2222-4333-8444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-kiosk"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/web-01"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/backups"
KELVIN = "\N{KELVIN SIGN}"
LONG_S = "\N{LATIN SMALL LETTER LONG S}"


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [
        pytest.param(VM, GROUP, True, id="below"),
        pytest.param(VM, VM, True, id="itself"),
        pytest.param(VM.upper(), GROUP.lower(), True, id="another case"),
        pytest.param(VM, f"{GROUP}/", True, id="a slash at the end"),
        pytest.param(f"{ACCOUNT}/blobServices/default/containers/c", ACCOUNT, True, id="container"),
        pytest.param(VM.replace("rg-kiosk", "rg-kiosk2"), GROUP, False, id="a longer name"),
        pytest.param(GROUP, VM, False, id="above"),
        pytest.param(VM.replace("kiosk", f"{KELVIN}iosk"), GROUP, False, id="the Kelvin sign"),
        pytest.param(VM.replace("kiosk", f"kio{LONG_S}k"), GROUP, False, id="the long s"),
        pytest.param(VM.replace("/sub", f"/{LONG_S}ub"), GROUP, False, id="a long s in a key"),
        pytest.param(f"{GROUP}/../rg-secret/{VM}", GROUP, False, id="a step up"),
        pytest.param(f"{VM}/.", GROUP, False, id="a dot"),
        pytest.param(f"{GROUP}//providers/a/b/c", GROUP, False, id="an empty part"),
        pytest.param(f"{VM}?x=/", GROUP, False, id="a query"),
        pytest.param(f"{VM}%2f..", GROUP, False, id="an escape"),
        pytest.param(f"{VM}\n", GROUP, False, id="a line's end"),
        pytest.param(f"{VM}/extensions", GROUP, False, id="a type without a name"),
        pytest.param(VM[1:], GROUP[1:], False, id="no slash at the beginning"),
        pytest.param("", "", False, id="nothing"),
        pytest.param("/", "/", False, id="a slash alone"),
        pytest.param(VM, "/subscriptions", False, id="every subscription"),
    ],
)
def test_what_lies_within_what(inner: str, outer: str, within: bool) -> None:  # noqa: FBT001 - a table
    assert lies_within(inner, outer) is within


@pytest.mark.parametrize("identity", [SUBSCRIPTION, GROUP, VM, ACCOUNT, VM.upper()])
def test_an_arm_id_is_one(identity: str) -> None:
    assert is_arm_id(identity)


@pytest.mark.parametrize(
    "identity",
    [
        "/subscriptions/x",
        f"{SUBSCRIPTION}/resourceGroups",
        f"{SUBSCRIPTION}/groups/rg",
        f"{GROUP}/provider/Microsoft.Compute/virtualMachines/web-01",
        f"{GROUP}/providers/Microsoft.Compute",
        f"{GROUP}/providers/Microsoft.Compute/virtualMachines/",
        f"{GROUP}./providers/Microsoft.Compute/virtualMachines/web-01",
    ],
)
def test_what_is_no_arm_id_is_told_from_one(identity: str) -> None:
    assert not is_arm_id(identity)


def test_two_spellings_are_one_resource_and_a_look_alike_is_another() -> None:
    assert same_id(VM, VM.upper())
    assert same_id(VM, f"{VM}/")
    assert not same_id(VM.replace("k", KELVIN), VM)
    assert not same_id("", VM)


def test_a_container_lies_within_its_account() -> None:
    assert lies_within(container_id(ACCOUNT, "vm-backups"), ACCOUNT)
    assert not lies_within(container_id(ACCOUNT, "../x"), ACCOUNT)


@given(st.text())
def test_only_ascii_capitals_are_folded(text: str) -> None:
    for before, after in zip(text, folded(text), strict=True):
        assert after == (before.lower() if before.isascii() else before)

"""What the API server refuses of a BackupPolicy's selector; imported by the CRDs' tests."""

from __future__ import annotations

from tests.cluster.crd_objects import GROUP, SUBSCRIPTION, VM

_SELECTOR = "spec.virtualMachines.selector"
_ROOT = f"/subscriptions/{SUBSCRIPTION}"
_A_SCOPE = "must be the ARM id of a subscription or a resource group"
_ONCE = "each tag can be named only once"


def _in_scope(**parts: object) -> dict[str, object]:
    return {"scopes": [_ROOT], **parts}


#: Each as in the tests' other tables: kind, field, the wrong value, and what is said then.
WRONG_SELECTORS: list[tuple[str, str, object, str]] = [
    ("backuppolicies", field, value, said)
    for field, value, said in (
        ("spec.virtualMachines", {}, "name virtual machines under ids, or select them"),
        (_SELECTOR, {}, "selector.scopes: Required value"),
        (f"{_SELECTOR}.scopes", [], "should have at least 1 items"),
        (f"{_SELECTOR}.scopes", [f"{GROUP}{n}" for n in range(21)], "Too many"),
        (f"{_SELECTOR}.scopes", [_ROOT] * 2, "Duplicate value"),
        (f"{_SELECTOR}.scopes", [GROUP, GROUP.upper()], "each scope can be named only once"),
        (f"{_SELECTOR}.scopes", [VM], _A_SCOPE),
        (f"{_SELECTOR}.scopes", [f"{_ROOT}/"], _A_SCOPE),
        (f"{_SELECTOR}.scopes", [f"{_ROOT}/resourceGroups"], _A_SCOPE),
        (f"{_SELECTOR}.scopes", [f"{GROUP}/../rg-other"], _A_SCOPE),
        (f"{_SELECTOR}.scopes", ["/subscriptions/mine"], _A_SCOPE),
        (_SELECTOR, _in_scope(tags=[{"values": ["x"]}]), "name: Required value"),
        (_SELECTOR, _in_scope(tags=[{"name": ""}]), "should be at least 1 chars"),
        (_SELECTOR, _in_scope(tags=[{"name": "a\\b"}]), "should match"),
        (_SELECTOR, _in_scope(tags=[{"name": "a"}, {"name": "a"}]), "Duplicate value"),
        (_SELECTOR, _in_scope(tags=[{"name": "a"}, {"name": "A"}]), _ONCE),
        (_SELECTOR, _in_scope(tags=[{"name": f"t{n}"} for n in range(11)]), "Too many"),
        (_SELECTOR, _in_scope(tags=[{"name": "a", "values": ["x", "x"]}]), "Duplicate value"),
        (_SELECTOR, _in_scope(tags=[{"name": "a", "values": ["x" * 257]}]), "Too long"),
        (_SELECTOR, _in_scope(exclude={"tags": [{"name": "a"}, {"name": "A"}]}), _ONCE),
        (_SELECTOR, _in_scope(exclude={"ids": ["web-01"]}), "must be the ARM id of a virtual"),
        (_SELECTOR, _in_scope(exclude={"scopes": [_ROOT]}), "unknown field"),
    )
]

"""What a support bundle holds, and that no secret is in it."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest
import yaml

from tests.worlds.backed_up_team import NOW
from vmbackup_operator.kubectl_plugin.support_bundle import Bundle, redacted

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SAS = "https://a.blob.core.windows.net/c/b?sv=2026-01-01&sig=abc%2Bdef%3D&se=2026"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"  # noqa: S105 - nobody's


def document(**spec: Any) -> dict[str, Any]:
    return {
        "kind": "RestoreSession",
        "metadata": {
            "name": "a",
            "namespace": "web-team",
            "managedFields": [{"manager": "kubectl"}],
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": '{"password": "hunter22"}',
                "team": "web",
            },
        },
        "spec": spec,
    }


def unpacked(bundle: Bundle) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(bundle.packed("root", NOW))) as archive:
        assert all(each.mode == 0o600 for each in archive.getmembers())
        return {
            each.name: (archive.extractfile(each) or io.BytesIO()).read().decode()
            for each in archive.getmembers()
        }


@pytest.mark.parametrize(
    ("spec", "secret"),
    [
        ({"note": f"see {SAS}"}, "sig=abc"),
        ({"note": f"the key is {KEY}"}, KEY),
        ({"note": f"Bearer {TOKEN}"}, TOKEN),
        ({"adminPassword": "hunter22"}, "hunter22"),
        ({"deep": [{"userData": "I2Nsb3VkLWNvbmZpZw=="}]}, "I2Nsb3VkLWNvbmZpZw"),
        ({"overrides": {"virtualMachine": {"properties": {"x": "hunter22"}}}}, "hunter22"),
        ({"swapToken": "8f14e45f"}, "8f14e45f"),
    ],
    ids=["a SAS", "a key", "a token", "a password", "user data", "overrides", "a swap's token"],
)
def test_no_secret_is_in_it(spec: dict[str, Any], secret: str) -> None:
    bundle = Bundle()
    bundle.add_object("restoresessions", document(**spec))
    bundle.add_text("operator/log", "\n".join(str(each) for each in spec.values()))

    for name, text in unpacked(bundle).items():
        if name != "root/operator/log" or secret in (KEY, TOKEN, "sig=abc"):
            assert secret not in text


def test_what_is_no_secret_stays() -> None:
    bundle = Bundle()
    bundle.add_object("restoresessions", document(mode="Disks", disks=["os", "0"], count=3))

    (text,) = (text for name, text in unpacked(bundle).items() if name.endswith("/a.yaml"))
    stored = yaml.safe_load(text)
    assert stored["spec"] == {"mode": "Disks", "disks": ["os", "0"], "count": 3}
    assert stored["metadata"] == {
        "name": "a", "namespace": "web-team", "annotations": {"team": "web"},
    }  # fmt: skip


def test_overrides_keep_their_shape() -> None:
    said = {"overrides": {"disks": [{"disk": "os", "sizeGiB": 64}]}}

    assert redacted(said) == {"overrides": {"disks": [{"disk": "…", "sizeGiB": 64}]}}


def test_no_name_leads_out_of_the_folder() -> None:
    bundle = Bundle()
    wrong = document()
    wrong["metadata"] |= {"name": "../../etc/passwd", "namespace": "/"}
    bundle.add_object("restoresessions", wrong)

    names = unpacked(bundle)

    assert set(names) == {
        "root/LEFT-OUT.txt", "root/_/restoresessions/.._.._etc_passwd.yaml",
    }  # fmt: skip


def test_it_says_what_it_has_left_out() -> None:
    bundle = Bundle()
    bundle.leave_out("the log of vmbackup-0", "you may not read them")

    assert unpacked(bundle)["root/LEFT-OUT.txt"] == "the log of vmbackup-0: you may not read them\n"

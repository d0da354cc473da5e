"""The chart's values: the settings' and its own, each described; the schema refuses wrong ones."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import yaml

from tests.chart.charted import over
from tools.chart import page, schema
from tools.chart.page import CHART
from vmbackup_operator.settings import load

ROOT = Path(__file__).resolve().parents[3]
VALUES_FILE = CHART / "values.yaml"

Document = dict[str, Any]

#: What an installation must say beside its settings.
IMAGE = {"image": {"repository": "registry.example.com/vmbackup"}}


def leaves(document: object, path: str = "") -> dict[str, object]:
    """Return every value of a document that is no object with keys, by its path."""
    if not isinstance(document, dict) or not document:
        return {path: document}
    found: dict[str, object] = {}
    for name, value in document.items():
        found |= leaves(value, f"{path}.{name}" if path else name)
    return found


@pytest.fixture(scope="module")
def defaults() -> Document:
    read: Document = yaml.safe_load(VALUES_FILE.read_text())
    return read


@pytest.fixture(scope="module")
def installed(defaults: Document) -> Document:
    """The values of an installation by the chart's own settings.yaml."""
    settings = yaml.safe_load((CHART / "settings.yaml").read_text())
    return over(over(defaults, settings), IMAGE)


@pytest.fixture(scope="module")
def judge() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        json.loads((CHART / "values.schema.json").read_text())
    )


def complaints(judge: jsonschema_rs.Draft202012Validator, document: Document) -> set[str]:
    found = judge.iter_errors(document)
    return {"/" + "/".join(map(str, error.instance_path)) for error in found}


def test_the_schema_is_what_the_settings_and_the_chart_take() -> None:
    assert (CHART / "values.schema.json").read_text() == schema.text()


def test_the_readme_is_what_values_yaml_says() -> None:
    assert (CHART / "README.md").read_text() == page.page()


def test_the_versions_are_the_products() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    product = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert chart["version"] == chart["appVersion"] == product["version"]
    assert chart["description"] == product["description"]


def test_the_kinds_are_those_of_crds_and_no_copies() -> None:
    assert (CHART / "definitions").resolve() == ROOT / "crds"


def test_the_defaults_of_settings_are_the_operators(tmp_path: Path, installed: Document) -> None:
    """What the operator takes where nothing is said is what the chart writes down."""
    whole = yaml.safe_load((CHART / "settings.yaml").read_text())
    needed = {name: whole[name] for name in ("appliance", "namespace", "tenancy")}
    needed["workers"] = {"bundle": whole["workers"]["bundle"]}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(needed))
    taken: Document = json.loads(msgspec.json.encode(load(tmp_path / "settings.yaml")))
    defaults = yaml.safe_load(VALUES_FILE.read_text())

    optional = taken.keys() - {"appliance", "namespace", "tenancy"}
    assert {name: defaults[name] for name in optional} == {name: taken[name] for name in optional}
    assert installed.keys() >= taken.keys()


def test_every_value_is_described_once(defaults: Document) -> None:
    described = [each.path for each in page.values(VALUES_FILE.read_text())]

    objects = ("resources",)  # described as a whole
    wanted = {
        path if not path.startswith(objects) else path.partition(".")[0]
        for path in leaves(defaults)
    }
    assert sorted(described) == sorted(wanted)


def test_a_settings_file_serves_as_values(
    judge: jsonschema_rs.Draft202012Validator, installed: Document
) -> None:
    assert complaints(judge, installed) == set()


def test_the_defaults_alone_are_refused_by_what_has_to_be_said(
    judge: jsonschema_rs.Draft202012Validator, defaults: Document
) -> None:
    names = ("id", "tenantId", "subscriptionId", "region", "resourceGroup", "virtualNetworkId")

    needed = {"/image/repository", *(f"/appliance/{name}" for name in names)}
    assert complaints(judge, defaults) == needed


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"appliance": {"tenantId": "contoso"}}, "/appliance/tenantId"),
        ({"appliance": {"location": "westeurope"}}, "/appliance"),
        ({"tenancy": [{"namespace": "Web"}]}, "/tenancy/0/namespace"),
        ({"tenancy": [{"namespace": "web", "scopes": []}]}, "/tenancy/0"),
        ({"tenancy": [{"namespace": "web", "backupScopes": ["/x"]}]}, "/tenancy/0/backupScopes/0"),
        ({"workers": {"timeoutSeconds": 59}}, "/workers/timeoutSeconds"),
        ({"workers": {"timeoutSeconds": "300"}}, "/workers/timeoutSeconds"),
        ({"logging": {"format": "json"}}, "/logging/format"),
        ({"tags": {"cost": 42}}, "/tags/cost"),
        ({"tags": {"Vmbackup-owner": "x"}}, "/tags/Vmbackup-owner"),
        ({"tags": {"a?b": "x"}}, "/tags/a?b"),
        ({"tags": {"n" * 129: "x"}}, f"/tags/{'n' * 129}"),
        ({"tags": {str(number): "x" for number in range(11)}}, "/tags"),
        ({"replicaCount": 3}, "/"),
        ({"replicas": "two"}, "/replicas"),
        ({"replicas": 0}, "/replicas"),
        ({"image": {"tag": "a b"}}, "/image/tag"),
        ({"image": {"digest": "sha256:12"}}, "/image/digest"),
        ({"azureIdentity": {"clientId": "operator"}}, "/azureIdentity/clientId"),
        ({"priorityClass": {"name": ""}}, "/priorityClass/name"),
        ({"priorityClass": {"value": 2_000_000_000}}, "/priorityClass/value"),
        ({"healthPort": 80}, "/healthPort"),
        ({"hostNetwork": "yes"}, "/hostNetwork"),
        ({"extraEnv": [{"value": "x"}]}, "/extraEnv/0"),
        ({"extraEnv": {"HTTPS_PROXY": "x"}}, "/extraEnv"),
        ({"crds": {"keep": True}}, "/crds"),
        ({"nodeSelector": {"gpu": True}}, "/nodeSelector/gpu"),
    ],
    ids=lambda value: json.dumps(value)[:50],
)
def test_a_wrong_value_is_refused_by_its_path(
    judge: jsonschema_rs.Draft202012Validator, installed: Document, wrong: Document, place: str
) -> None:
    assert complaints(judge, over(installed, wrong)) == {place}


def test_two_identities_are_refused(
    judge: jsonschema_rs.Draft202012Validator, installed: Document
) -> None:
    both = {"clientId": installed["appliance"]["tenantId"], "secretName": "identity"}

    assert complaints(judge, over(installed, {"azureIdentity": both})) == {"/azureIdentity"}


def test_names_of_groups_may_have_letters_of_any_alphabet(
    judge: jsonschema_rs.Draft202012Validator, installed: Document
) -> None:
    """As the settings have it: Azure allows them."""
    named = over(installed, {"appliance": {"resourceGroup": "rg-Grün_1"}})

    assert complaints(judge, named) == set()


def test_the_readme_names_the_oldest_minor_of_kubernetes_or_is_not_written() -> None:
    with pytest.raises(ValueError, match="names no oldest minor"):
        page.oldest("^1.32")

"""The demo's installation: what no node of it would honour is named before."""

from __future__ import annotations

import yaml

from tests.unit.nodeagent.manifests import manifest
from tools.demo.release import not_honoured


def test_a_field_of_a_template_that_the_nodes_do_not_know_is_named() -> None:
    known, odd = manifest()["spec"], {**manifest()["spec"], "hostPID": True}
    objects = [
        {"kind": "Deployment", "metadata": {"name": "good"}, "spec": {"template": {"spec": known}}},
        {"kind": "Deployment", "metadata": {"name": "bad"}, "spec": {"template": {"spec": odd}}},
        {"kind": "ConfigMap", "metadata": {"name": "settings"}},
        None,
    ]

    assert not_honoured(yaml.safe_dump_all(objects)) == ["Deployment bad: spec.hostPID: not known"]

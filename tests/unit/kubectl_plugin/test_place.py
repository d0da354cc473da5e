"""Which cluster, context and namespace is meant, by kubeconfigs as kubectl reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vmbackup_core.errors import PermanentError
from vmbackup_operator.kubectl_plugin.place import Asked, Place, find_place


def kubeconfig(path: Path, current: str | None, **namespaces: str | None) -> str:
    contexts = [
        {"name": name, "context": {"cluster": "c", "user": "u", "namespace": namespace}}
        for name, namespace in namespaces.items()
    ]
    document = {"current-context": current, "contexts": contexts}
    path.write_text(yaml.safe_dump(document))
    return str(path)


def test_the_current_context_says_the_namespace(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "a", "one", one="web-team", two=None)
    environment = {"KUBECONFIG": file}

    assert find_place(Asked(), environment) == Place(file, "one", "web-team")
    assert find_place(Asked(context="two"), environment) == Place(file, "two", "default")
    assert find_place(Asked(namespace="x"), environment).namespace == "x"


def test_all_namespaces_are_for_lists(tmp_path: Path) -> None:
    environment = {"KUBECONFIG": kubeconfig(tmp_path / "a", "one", one="web-team")}

    place = find_place(Asked(everywhere=True), environment)

    assert (place.listed, place.namespace) == (None, "web-team")


def test_of_several_files_the_first_that_says_something_decides(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "a", None, one="from-a")
    second = kubeconfig(tmp_path / "b", "one", one="from-b", two="two")
    third = kubeconfig(tmp_path / "c", "two")
    environment = {"KUBECONFIG": f"{first}:{tmp_path}/missing:{second}:{third}"}

    assert find_place(Asked(), environment).context == "one"
    assert find_place(Asked(), environment).namespace == "from-a"


def test_without_kubeconfig_the_home_s_is_read(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    file = kubeconfig(tmp_path / ".kube" / "config", "one", one="web-team")

    assert find_place(Asked(), {"HOME": str(tmp_path)}) == Place(file, "one", "web-team")


def test_in_a_pod_no_file_is_needed(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "10.0.0.1"}

    assert find_place(Asked(namespace="x"), environment) == Place(None, None, "x")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("contexts: [", "KubeconfigUnreadable"),
        ("- 1", "KubeconfigUnreadable"),
        ("contexts: 3", "KubeconfigUnreadable"),
        ("", "NoSuchContext"),
        ("current-context: gone", "NoSuchContext"),
        ("contexts:", "NoSuchContext"),
    ],
    ids=["no YAML", "a list", "a wrong type", "empty", "no such context", "null"],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "config"
    file.write_text(content)

    with pytest.raises(PermanentError, match=str(file)) as refused:
        find_place(Asked(), {"KUBECONFIG": str(file)})
    assert refused.value.reason == reason


def test_no_file_at_all_is_said(tmp_path: Path) -> None:
    for asked, environment in (
        (Asked(), {"HOME": str(tmp_path)}),
        (Asked(kubeconfig="/nowhere"), {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}),
    ):
        with pytest.raises(PermanentError) as refused:
            find_place(asked, environment)
        assert refused.value.reason == "NoKubeconfig"

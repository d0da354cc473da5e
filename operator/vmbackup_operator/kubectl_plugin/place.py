"""Which cluster, as whom, and in which namespace: the kubeconfig, read as kubectl reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from vmbackup_core.errors import PermanentError

_IN_A_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says of the cluster; None where it says nothing."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look: *kubeconfig* is None in a pod, *context* where the file names none.

    *namespace* is where objects are that are named; with *everywhere* lists are of all namespaces.
    """

    kubeconfig: str | None
    context: str | None
    namespace: str
    everywhere: bool = False

    @property
    def listed(self) -> str | None:
        """The namespace of which lists are, None for all."""
        return None if self.everywhere else self.namespace


class _ContextBody(msgspec.Struct, frozen=True):
    namespace: str | None = None


class _Context(msgspec.Struct, frozen=True):
    name: str
    context: _ContextBody = _ContextBody()


class _Config(msgspec.Struct, frozen=True, rename={"current": "current-context"}):
    current: str | None = None
    contexts: tuple[_Context, ...] | None = ()


def find_place(asked: Asked, environment: Mapping[str, str]) -> Place:
    """Return where *asked* and the kubeconfig lead; raise PermanentError where they lead nowhere.

    Several files in KUBECONFIG are read in their order, and the first one that says something
    decides.
    """
    named = asked.kubeconfig or environment.get("KUBECONFIG") or ""
    if named:
        paths = [Path(each).expanduser() for each in named.split(":") if each]
    else:
        paths = [Path(environment.get("HOME", "~")).expanduser() / ".kube" / "config"]
    there = [path for path in paths if path.is_file()]
    if not there:
        return _in_a_pod(asked, paths, environment)
    configs = [_read(path) for path in there]
    current = asked.context or next((each.current for each in configs if each.current), None)
    contexts = [context for each in configs for context in each.contexts or ()]
    found = next((each for each in contexts if each.name == current), None)
    if found is None:
        names = ", ".join(each.name for each in contexts) or "none"
        said = f"there is no context {current!r}" if current else "no context is the current one"
        raise PermanentError(
            f"{':'.join(map(str, there))}: {said}; it has: {names}", reason="NoSuchContext"
        )
    namespace = asked.namespace or found.context.namespace or "default"
    return Place(":".join(map(str, there)), current, namespace, asked.everywhere)


def _in_a_pod(asked: Asked, paths: list[Path], environment: Mapping[str, str]) -> Place:
    if "KUBERNETES_SERVICE_HOST" not in environment or asked.kubeconfig is not None:
        where = ":".join(map(str, paths))
        raise PermanentError(f"there is no kubeconfig at {where}", reason="NoKubeconfig")
    own = _IN_A_POD.read_text().strip() if _IN_A_POD.is_file() else "default"
    return Place(None, None, asked.namespace or own, asked.everywhere)


def _read(path: Path) -> _Config:
    try:
        document: Any = yaml.safe_load(path.read_text())
        return msgspec.convert({} if document is None else document, _Config)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        said = " ".join(str(error).split())
        raise PermanentError(f"{path}: {said}", reason="KubeconfigUnreadable") from error

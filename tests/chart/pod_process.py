"""A rendered pod's container as a process: its arguments, environment and files, as on a node.

What a node would do and this does not know is named, and nothing is started.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from tests.chart.charted import Document
from tools.local_cloud.kubernetes_user import KubernetesUser
from tools.local_cloud.processes import Program, start_program

_VARIABLE = re.compile(r"\$\((\w+)\)")


class NotKnown(LookupError):
    """A pod has something that is not known here."""


@dataclass(frozen=True, slots=True)
class PodProcess:
    """The one container of *pod*: *entry_point* is its image's, *folder* is where its files lie."""

    pod: Document
    user: KubernetesUser
    entry_point: tuple[str, ...]
    folder: Path

    @property
    def container(self) -> Document:
        """The container."""
        (found,) = self.pod["spec"]["containers"]
        described: Document = found
        return described

    def start(self, identity: KubernetesUser, base: dict[str, str]) -> Program:
        """Start it with the token of its ServiceAccount; *base* is what its image sets."""
        variables = {each["name"]: self._value(each) for each in self.container.get("env", ())}
        environment = {**base, "KUBECONFIG": str(identity.kubeconfig), **variables}
        mounted = self._mount()
        # Of a pod that mounts nothing no word names a place.
        places = re.compile("|".join(map(re.escape, mounted)) or r"(?!)")
        expanded = (self._expanded(word, variables) for word in self._command())
        words = [places.sub(lambda found: str(mounted[found[0]]), word) for word in expanded]
        return start_program(words, self.folder / "container.log", environment)

    def probe(self, name: str) -> str:
        """Return the URL that the kubelet asks for one of its probes."""
        asked = self.container[name]["httpGet"]
        (port,) = (
            each["containerPort"]
            for each in self.container["ports"]
            if each["name"] == asked["port"]
        )
        return f"http://127.0.0.1:{port}{asked['path']}"

    def _command(self) -> list[str]:
        container = self.container
        command = container.get("command", self.entry_point)
        return [*command, *container.get("args", ())]

    @staticmethod
    def _expanded(word: str, variables: dict[str, str]) -> str:
        """Return *word* with $(NAME) as the kubelet replaces it: what is not set stays."""
        return _VARIABLE.sub(lambda found: variables.get(found[1], found[0]), word)

    def _value(self, variable: Document) -> str:
        if "value" in variable:
            return str(variable["value"])
        match variable.get("valueFrom"):
            case {"fieldRef": {"fieldPath": "metadata.name"}}:
                return str(self.pod["metadata"]["name"])
            case {"secretKeyRef": {"name": name, "key": key}}:
                secret = self.user.get("secret", name, "-n", self.pod["metadata"]["namespace"])
                return base64.b64decode(secret["data"][key]).decode()
            case _:
                raise NotKnown(f"variable {variable}")

    def _mount(self) -> dict[str, Path]:
        """Make what the pod's volumes hold; return where it lies by where the container has it."""
        volumes = {each["name"]: each for each in self.pod["spec"]["volumes"]}
        mounted = {}
        for mount in self.container["volumeMounts"]:
            at = self.folder / mount["name"]
            at.mkdir()
            self._fill(at, volumes[mount["name"]])
            mounted[mount["mountPath"]] = at
        return mounted

    def _fill(self, at: Path, volume: Document) -> None:
        match volume:
            case {"emptyDir": _}:
                return
            case {"configMap": {"name": name}}:
                found = self.user.get("configmap", name, "-n", self.pod["metadata"]["namespace"])
                for key, text in found["data"].items():
                    (at / key).write_text(text)
            case _:
                raise NotKnown(f"volume {volume}")

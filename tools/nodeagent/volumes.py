"""A pod's volumes as folders of this machine, filled before its container starts.

What a ConfigMap or a Secret holds is put in once; a ServiceAccount's token is renewed in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.nodeagent.api import Api
from tools.nodeagent.environment import NotThere, field
from tools.nodeagent.pods import NotKnown, Pod
from tools.nodeagent.tokens import Token, ask_for_token

_MODE = 0o644


class Volumes:
    """The volumes of *pod*, each a folder in *folder* by its name."""

    def __init__(
        self, api: Api, pod: Pod, address: str, folder: Path, now: Callable[[], float]
    ) -> None:
        self._api, self._pod, self._address = api, pod, address
        self._folder, self._now = folder, now
        self._tokens: dict[Path, tuple[Mapping[str, Any], Token]] = {}

    def fill(self) -> None:
        """Make every volume; raise NotThere where what one names is not there yet."""
        for name, volume in self._pod.volumes.items():
            at = self._folder / name
            at.mkdir(parents=True, exist_ok=True)
            for path, content in self._files(volume, at):
                _write(at / path, content, _mode(volume))

    def renew(self) -> None:
        """Put a new token in the place of each that is due."""
        for path, (source, token) in self._tokens.items():
            if token.is_due(self._now()):
                _write(path, self._token(path, source), _MODE)

    def writable(self, name: str) -> bool:
        """Tell whether the container may write to a volume: to what is its own alone."""
        return "emptyDir" in self._pod.volumes[name]

    def path(self, name: str) -> Path:
        """Return the folder of a volume."""
        return self._folder / name

    def _files(self, volume: Mapping[str, Any], at: Path) -> Iterator[tuple[str, bytes]]:
        match volume:
            case {"emptyDir": _}:
                return
            case {"configMap": source}:
                yield from self._entries("configMap", source, source["name"])
            case {"secret": source}:
                yield from self._entries("secret", source, source["secretName"])
            case {"projected": {"sources": sources}}:
                for source in sources:
                    yield from self._projected(source, at)
            case _:
                raise NotKnown(f"pod {self._pod.name}: volume {volume['name']} is of no known kind")

    def _projected(self, source: Mapping[str, Any], at: Path) -> Iterator[tuple[str, bytes]]:
        match source:
            case {"serviceAccountToken": wanted}:
                yield wanted["path"], self._token(at / wanted["path"], wanted)
            case {"configMap": wanted}:
                yield from self._entries("configMap", wanted, wanted["name"])
            case {"secret": wanted}:
                yield from self._entries("secret", wanted, wanted["name"])
            case {"downwardAPI": {"items": items}}:
                for item in items:
                    path = item["fieldRef"]["fieldPath"]
                    yield item["path"], field(self._pod, self._address, path).encode()
            case _:
                raise NotKnown(f"pod {self._pod.name}: {sorted(source)} is no known source")

    def _token(self, path: Path, wanted: Mapping[str, Any]) -> bytes:
        token = ask_for_token(self._api, self._pod, wanted, self._now)
        self._tokens[path] = wanted, token
        return token.text.encode()

    def _entries(
        self, kind: str, source: Mapping[str, Any], name: str
    ) -> Iterator[tuple[str, bytes]]:
        read = self._api.config_map if kind == "configMap" else self._api.secret
        found = read(self._pod.namespace, name)
        if found is None:
            if not source.get("optional", False):
                raise NotThere(f'{kind} "{name}" not found')
            return
        yield from chosen(found, source.get("items"), name)


def chosen(
    found: Mapping[str, bytes], items: Sequence[Mapping[str, str]] | None, name: str
) -> Iterator[tuple[str, bytes]]:
    """Yield the files of *found*: the ones that *items* name, by the paths there, or all of it."""
    if items is None:
        yield from found.items()
        return
    for item in items:
        if item["key"] not in found:
            raise NotThere(f"{name} has no key {item['key']}")
        yield item["path"], found[item["key"]]


def _mode(volume: Mapping[str, Any]) -> int:
    sources = (value for value in volume.values() if isinstance(value, Mapping))
    return next((each["defaultMode"] for each in sources if "defaultMode" in each), _MODE)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Put *content* at *path* at once, so that who reads it never gets a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.touch(mode=0o600)
    beside.write_bytes(content)
    beside.chmod(mode)
    beside.replace(path)

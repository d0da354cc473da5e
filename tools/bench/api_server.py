"""An API server in memory under the product's own client code: documents, versions, watches.

It counts what is asked of it. What it computes is the world's: the product encodes, decodes and
remembers as it does over HTTP.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from typing_extensions import override

from tools.bench.turned_time import ComputedClock
from vmbackup_operator.cluster.connection import JSON, Connection
from vmbackup_operator.cluster.failures import AlreadyThere, NotThere
from vmbackup_operator.reconciling.outcome import Conflict

#: How long it takes to answer, and a watch to tell; assumptions.
READ_S, WRITE_S, WATCH_S = 0.005, 0.01, 0.02

Document = dict[str, Any]
#: Told of a kind's plural, of the document, and whether it has left what is watched.
Watch = Callable[[str, Document, bool], None]


class ApiServer(Connection):
    """Keeps documents as bytes, by folder and name; sends nothing anywhere."""

    def __init__(self, clock: ComputedClock) -> None:
        self._clock = clock
        self._folders: dict[str, dict[str, bytes]] = {}
        self._version = 0
        self.watch: Watch = lambda _plural, _document, _gone: None
        self.reads: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()

    @override
    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
    ) -> bytes:
        is_read = method == "GET"
        with self._clock.in_the_world():
            (self.reads if is_read else self.writes)[f"{method} {_plural_of(path)}"] += 1
        await asyncio.sleep(READ_S if is_read else WRITE_S)
        with self._clock.in_the_world():
            return self._answer(method, path, dict(query or {}), msgspec.json.encode(body))

    def put(self, path: str, document: Document) -> None:
        """Store what somebody else writes, a status included, and tell the watch."""
        folder, _, name = path.rpartition("/")
        document["metadata"].setdefault("uid", f"uid-{self._version + 1}")
        self._store(folder, name, document)

    def document(self, path: str) -> Document | None:
        """Return what is stored at *path*, or None."""
        folder, _, name = path.rpartition("/")
        stored = self._folders.get(folder, {}).get(name)
        return None if stored is None else msgspec.json.decode(stored)

    @property
    def stored(self) -> Mapping[str, Mapping[str, bytes]]:
        """All documents, by folder and name."""
        return self._folders

    def _answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> bytes:
        folder, _, name = path.removesuffix("/status").rpartition("/")
        what = f"{method} {path}"
        if method == "POST":
            return self._create(path, msgspec.json.decode(body), what)
        if method == "GET" and _is_folder(path):
            return self._list(path, query)
        stored = self._folders.get(folder, {}).get(name)
        if stored is None:
            raise NotThere(what)
        if method == "GET":
            return stored
        document: Document = msgspec.json.decode(stored)
        if method == "DELETE":
            return self._delete(folder, name, document)
        return self._change(folder, name, document, msgspec.json.decode(body), what)

    def _create(self, folder: str, document: Document, what: str) -> bytes:
        name = document["metadata"]["name"]
        if name in self._folders.get(folder, {}):
            raise AlreadyThere(what)
        document.pop("status", None)
        document["metadata"]["uid"] = f"uid-{self._version + 1}"
        document["metadata"]["generation"] = 1
        document["metadata"]["creationTimestamp"] = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._store(folder, name, document)

    def _change(
        self, folder: str, name: str, document: Document, wanted: Document, what: str
    ) -> bytes:
        said, metadata = wanted["metadata"], document["metadata"]
        if any(said.get(word, metadata[word]) != metadata[word] for word in _IDENTITY):
            raise Conflict(what)
        if what.endswith("/status"):
            document["status"] = wanted["status"]
        elif what.startswith("PATCH"):
            metadata["finalizers"] = said["finalizers"]
            if metadata.get("deletionTimestamp") and not said["finalizers"]:
                return self._delete(folder, name, document)
        else:
            document = {**wanted, "metadata": {**metadata, **said}}
        return self._store(folder, name, document)

    def _delete(self, folder: str, name: str, document: Document) -> bytes:
        if document["metadata"].get("finalizers"):
            document["metadata"]["deletionTimestamp"] = self._clock.now().isoformat()
            return self._store(folder, name, document)
        stored = self._folders[folder].pop(name)
        self._tell(folder, document, gone=True)
        return stored

    def _store(self, folder: str, name: str, document: Document) -> bytes:
        self._version += 1
        document["metadata"]["resourceVersion"] = str(self._version)
        stored = self._folders.setdefault(folder, {})[name] = msgspec.json.encode(document)
        # As the operator watches sessions: those without an outcome.
        self._tell(folder, document, gone="outcome" in document.get("status", {}))
        return stored

    def _tell(self, folder: str, document: Document, *, gone: bool) -> None:
        plural = folder.rpartition("/")[2]
        asyncio.get_running_loop().call_later(WATCH_S, self.watch, plural, document, gone)

    def _list(self, path: str, query: dict[str, str]) -> bytes:
        items = (
            document
            for folder, documents in self._folders.items()
            if _lies_in(folder, path)
            for document in documents.values()
        )
        found = list(_selected(items, query))
        return msgspec.json.encode({"metadata": {}, "items": found})


_IDENTITY = ("uid", "resourceVersion")


def _plural_of(path: str) -> str:
    words = path.removesuffix("/status").split("/")
    return words[-1] if _is_folder(path) else words[-2]


def _is_folder(path: str) -> bool:
    """Tell a folder by its length: …/namespaces/NAME/PLURAL, or GROUP/VERSION/PLURAL of all."""
    words = path.removesuffix("/status").strip("/").split("/")
    within = words[words.index("namespaces") + 2 :] if "namespaces" in words else words[-1:]
    return len(within) == 1


def _lies_in(folder: str, path: str) -> bool:
    group, _, plural = path.rpartition("/")
    everywhere = folder.startswith(f"{group}/namespaces/") and folder.endswith(f"/{plural}")
    return folder == path or everywhere


def _selected(items: Iterator[bytes], query: Mapping[str, str]) -> Iterator[msgspec.Raw]:
    labels = dict(each.split("=") for each in query.get("labelSelector", "").split(",") if each)
    unfinished = query.get("fieldSelector") == "status.outcome="
    for item in items:
        if labels or unfinished:
            document = msgspec.json.decode(item)
            own = document["metadata"].get("labels", {})
            if any(own.get(name) != value for name, value in labels.items()):
                continue
            if unfinished and "outcome" in document.get("status", {}):
                continue
        yield msgspec.Raw(item)

"""Requests are told apart by method, path and parameters; what is unknown is refused."""

from __future__ import annotations

import pytest

from azure_simulator.storage.blob_operations import blob_target
from azure_simulator.storage.queue_operations import queue_target
from azure_simulator.storage.wire import StorageError


@pytest.mark.parametrize(
    ("method", "path", "query", "name", "container", "item"),
    [
        ("GET", "/", "comp=list", "ListContainers", "", ""),
        ("PUT", "/data", "restype=container", "CreateContainer", "data", ""),
        ("GET", "/data", "restype=container comp=list", "ListBlobs", "data", ""),
        ("PUT", "/data/a%20b/c", "", "PutBlob", "data", "a b/c"),
        ("PUT", "/data/a", "comp=block blockid=MQ==", "PutBlock", "data", "a"),
        ("PUT", "/data/a", "comp=blocklist", "PutBlockList", "data", "a"),
        ("HEAD", "/data/a", "", "GetBlobProperties", "data", "a"),
        ("DELETE", "/data/a", "", "DeleteBlob", "data", "a"),
    ],
)
def test_operations_of_the_blob_service(
    method: str, path: str, query: str, name: str, container: str, item: str
) -> None:
    target = blob_target(method, path, dict(part.split("=", 1) for part in query.split()))

    assert (target.operation.name, target.container, target.item) == (name, container, item)


@pytest.mark.parametrize(
    ("method", "path", "query", "name", "container", "item"),
    [
        ("PUT", "/jobs", "", "CreateQueue", "jobs", ""),
        ("GET", "/jobs", "comp=metadata", "GetQueueMetadata", "jobs", ""),
        ("GET", "/jobs/messages", "", "GetMessages", "jobs", ""),
        ("GET", "/jobs/messages", "peekonly=true", "PeekMessages", "jobs", ""),
        ("POST", "/jobs/messages", "", "PutMessage", "jobs", ""),
        ("PUT", "/jobs/messages/1", "", "UpdateMessage", "jobs", "1"),
        ("DELETE", "/jobs/messages/1", "", "DeleteMessage", "jobs", "1"),
        ("DELETE", "/jobs/messages", "", "ClearMessages", "jobs", ""),
    ],
)
def test_operations_of_the_queue_service(
    method: str, path: str, query: str, name: str, container: str, item: str
) -> None:
    target = queue_target(method, path, dict(part.split("=", 1) for part in query.split()))

    assert (target.operation.name, target.container, target.item) == (name, container, item)


@pytest.mark.parametrize(
    ("method", "path", "comp"),
    [
        ("PUT", "/data/a", "copy"),
        ("PUT", "/data/a", "legalhold"),
        ("POST", "/data", "batch"),
        ("GET", "/data", ""),
        ("PATCH", "/data/a", ""),
    ],
)
def test_what_is_not_known_is_not_simulated(method: str, path: str, comp: str) -> None:
    for target in (blob_target, queue_target):
        with pytest.raises(StorageError) as refused:
            target(method, path, {"comp": comp})
        assert refused.value.status == 501

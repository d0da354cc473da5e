"""What messages of every kind are made of, and the ways that a job of any kind brings."""

from __future__ import annotations

import msgspec
from typing_extensions import override

from vmbackup_core.protocol.bounds import Url
from vmbackup_core.stores.port import Tier


class Value(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A part of a message."""


class Message(Value, frozen=True, tag_field="kind"):
    """What a message's payload is; `kind` tells which."""


class RepositoryAccess(Value, frozen=True, omit_defaults=True):
    """The way to the repository: its data's container, by a SAS that may create and read.

    *tier* is the access tier that packs are put into; Hot is the account's own.
    """

    container_url: Url
    tier: Tier = "Hot"

    @override
    def __repr__(self) -> str:
        """Leave out the SAS."""
        return f"RepositoryAccess({self.container_url.split('?', 1)[0]})"


class ConversationAccess(Value, frozen=True):
    """Fresh ways to the worker's two queues, since a job may outlive the ones of its launch."""

    jobs_url: Url
    events_url: Url

    @override
    def __repr__(self) -> str:
        """Leave out the SAS."""
        return "ConversationAccess()"

"""One call of the plugin: where it looks, on what it answers, and in which form."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from vmbackup_core.errors import PermanentError
from vmbackup_operator.cli.printing import Console
from vmbackup_operator.kubectl_plugin.place import Asked, Place, find_place
from vmbackup_operator.kubectl_plugin.tables import Table, rendered
from vmbackup_operator.kubectl_plugin.terminal import Terminal, terminal_of

if TYPE_CHECKING:
    from vmbackup_operator.kubectl_plugin.cluster_access import Cluster

Output = Literal["table", "json", "yaml"]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Call:
    """What a command has around it; *now* is one moment for all that it says."""

    console: Console
    asked: Asked
    output: Output
    terminal: Terminal
    now: datetime

    @classmethod
    def made(cls, console: Console, asked: Asked, output: Output) -> Call:
        """Return the call of this process."""
        return cls(
            console, asked, output, terminal_of(console.columns(), os.environ), datetime.now(UTC)
        )

    @property
    def place(self) -> Place:
        """Where it looks."""
        return find_place(self.asked, os.environ)

    def ask(self, question: Callable[[Cluster], Awaitable[Answer]]) -> Answer:
        """Return what *question* finds out in the cluster."""
        return asyncio.run(self._ask(question, self.place))

    @staticmethod
    async def _ask(question: Callable[[Cluster], Awaitable[Answer]], place: Place) -> Answer:
        # The cluster's client takes half a second of a processor: see the package.
        from vmbackup_operator.kubectl_plugin.cluster_access import cluster_at  # noqa: PLC0415

        async with cluster_at(place) as cluster:
            return await question(cluster)

    def write(self, value: object, *tables: Table) -> None:
        """Answer with *value* as JSON or YAML, or else with *tables*; empty ones are left out."""
        if self.output == "json":
            text = json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False)
            self.console.write(f"{text}\n")
        elif self.output == "yaml":
            import yaml  # noqa: PLC0415 - a table does without

            self.console.write(yaml.safe_dump(
                msgspec.to_builtins(value), sort_keys=False, allow_unicode=True))  # fmt: skip
        else:
            drawn = [rendered(table, self.terminal) for table in tables if table.rows]
            self.console.write("\n".join(drawn))

    def refuse_everywhere(self) -> None:
        """Raise PermanentError where all namespaces are meant and one object is."""
        if self.asked.everywhere:
            raise PermanentError("--all-namespaces is for lists", reason="Misunderstood")


def object_list(items: list[dict[str, object]]) -> dict[str, object]:
    """Return *items* as kubectl writes several objects."""
    return {"apiVersion": "v1", "kind": "List", "items": items}

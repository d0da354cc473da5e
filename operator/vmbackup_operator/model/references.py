"""How one object names another."""

from __future__ import annotations

from typing import Final

import msgspec

from vmbackup_operator.model.metadata import ObjectKey


class ObjectReference(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An object of a known kind, in the referring object's namespace unless another is named."""

    name: str
    namespace: str | None = None

    @property
    def is_none(self) -> bool:
        """Whether it names nothing: see `NONE`."""
        return not self.name

    def key_from(self, namespace: str) -> ObjectKey:
        """Return where the object lies, seen from an object in *namespace*."""
        return ObjectKey(self.namespace or namespace, self.name)


#: Stands where no object is named. No object is called so: its key is found nowhere.
NONE: Final = ObjectReference("")


class LocalReference(msgspec.Struct, frozen=True, rename="camel"):
    """An object of a known kind in the referring object's own namespace."""

    name: str


class SecretKeyReference(msgspec.Struct, frozen=True, rename="camel"):
    """One value of a Secret in the referring object's own namespace."""

    name: str
    key: str

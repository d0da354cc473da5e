"""Tags as every resource carries them, and Azure's limits on them."""

from __future__ import annotations

from azure_simulator.arm.errors import ArmError
from azure_simulator.resources import Body

_FORBIDDEN = frozenset("<>%&\\?/")
_MOST = 50
_NAME_LENGTH = 512
_VALUE_LENGTH = 256


def tags_of(body: Body, *, most: int = _MOST, name_length: int = _NAME_LENGTH) -> dict[str, str]:
    """Return a request's tags, or refuse what Azure refuses."""
    given = body.get("tags")
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ArmError(400, "InvalidRequestContent", "'tags' is no object.", gateway=True)
    if len(given) > most:
        message = f"The resource has {len(given)} tags; the maximum is {most}."
        raise ArmError(400, "InvalidTagCount", message, gateway=True)
    lowered = [name.lower() for name in given]
    if len(set(lowered)) != len(lowered):
        message = "Tag names are compared without case: one stands twice."
        raise ArmError(400, "InvalidTagName", message, gateway=True)
    for name, value in given.items():
        _check(name, value, name_length)
    return dict(given)


def _check(name: str, value: object, name_length: int) -> None:
    if not name or len(name) > name_length or _FORBIDDEN & set(name):
        message = (
            f"The tag name '{name[:40]}' is invalid: it has at most {name_length} characters and "
            "none of '<,>,%,&,\\,?,/'."
        )
        raise ArmError(400, "InvalidTagName", message, gateway=True)
    if not isinstance(value, str) or len(value) > _VALUE_LENGTH:
        message = f"Tag value too large or no text, for '{name[:40]}': at most {_VALUE_LENGTH}."
        raise ArmError(400, "InvalidTagValue", message, gateway=True)

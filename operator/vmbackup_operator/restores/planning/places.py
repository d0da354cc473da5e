"""Where something was recorded and where it is restored, and what of its surroundings holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.model.restore_session import RestoreTarget
from vmbackup_operator.naming import ArmId, arm_id, resource_group_of, subscription_of
from vmbackup_operator.restores.planning.rules import Fate


@dataclass(frozen=True, slots=True)
class Place:
    """A subscription, a resource group and a region, as they compare."""

    subscription_id: str
    resource_group: str
    region: str

    @staticmethod
    def of(body: Body) -> Place:
        """Return where the resource lies that Azure described so."""
        identity = ArmId(text_at(body, "id"))
        return Place(
            subscription_of(identity),
            folded(resource_group_of(identity)),
            region_name(text_at(body, "location")),
        )

    @staticmethod
    def of_target(target: RestoreTarget) -> Place:
        """Return where the session restores to."""
        return Place(
            folded(target.subscription_id),
            folded(target.resource_group),
            region_name(target.region),
        )

    def holding(self, recorded: Place) -> frozenset[Fate]:
        """Return which fates of what was *recorded* there hold here, where it is restored."""
        holds: Mapping[Fate, bool] = {
            "region": recorded.region == self.region,
            "place": self.takes_from(recorded),
            "group": recorded == self,
        }
        return frozenset(fate for fate, held in holds.items() if held)

    def takes_from(self, recorded: Place) -> bool:
        """Tell whether what is referred to there can be used here: one subscription, one region."""
        return (recorded.subscription_id, recorded.region) == (self.subscription_id, self.region)


def region_name(text: str) -> str:
    """Return a region by its name, where Azure wrote the one for people (``West Europe``)."""
    return folded(text.replace(" ", ""))


def id_in(target: RestoreTarget, resource_type: str, name: str) -> ArmId:
    """Return the ARM id of a resource that is made where *target* says."""
    return arm_id(target.subscription_id, target.resource_group, resource_type, name)

"""What lies in another subscription than the appliance's: who knows of it, and what is refused."""

from __future__ import annotations

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import ArmId, subscription_of
from vmbackup_operator.reconciling.outcome import Failed
from vmbackup_operator.settings import Settings

#: The reason of what lies in another subscription and is not exported from there.
REFUSED = "CrossSubscriptionRefused"


def is_elsewhere(settings: Settings, named: ArmId) -> bool:
    """Tell whether *named* is in another subscription than the appliance and its workers."""
    return subscription_of(named) != folded(settings.appliance.subscription_id)


def subscription_refused(settings: Settings, named: ArmId) -> Failed | None:
    """Return that nobody gave the appliance a place in the subscription of *named*, if so."""
    where = subscription_of(named)
    if not is_elsewhere(settings, named) or settings.is_other_subscription(where):
        return None
    return Failed(
        REFUSED,
        f"{named} is in subscription {where}, which is neither the appliance's nor one of the "
        "settings' otherSubscriptions",
    )


def export_refused(named: ArmId, why: str) -> Failed:
    """Return that data of *named* is not exported, as *why* says of its region."""
    return Failed(REFUSED, f"{named} is not in the appliance's subscription, and {why}")

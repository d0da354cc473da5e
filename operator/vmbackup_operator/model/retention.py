"""How many recovery points of a VM are kept."""

from __future__ import annotations

import msgspec
from msgspec.structs import asdict

from vmbackup_core.retention.rules import UTC_NAME
from vmbackup_core.retention.rules import Retention as Rule


class Retention(msgspec.Struct, frozen=True, rename="camel"):
    """What any line keeps is kept; periods are those of the time zone of the policy's schedule."""

    last: int = 7
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within_days: int = 0
    min_successful: int = 1

    def rule_in(self, time_zone: str) -> Rule:
        """Return what repositories judge points by, in the days of *time_zone*."""
        return Rule(
            last=self.last,
            hourly=self.hourly,
            daily=self.daily,
            weekly=self.weekly,
            monthly=self.monthly,
            yearly=self.yearly,
            within_days=self.within_days,
            min_successful=self.min_successful,
            time_zone=time_zone,
        )

    @staticmethod
    def said_by(rule: Rule) -> Retention:
        """Return what a policy says whose points are judged by *rule*, in the days of its zone."""
        return Retention(
            last=rule.last,
            hourly=rule.hourly,
            daily=rule.daily,
            weekly=rule.weekly,
            monthly=rule.monthly,
            yearly=rule.yearly,
            within_days=rule.within_days,
            min_successful=rule.min_successful,
        )


class SessionRetention(Retention, frozen=True, rename="camel"):
    """The same where no schedule says in which time zone a day is a day."""

    time_zone: str = UTC_NAME

    @property
    def rule(self) -> Rule:
        """What repositories judge points by."""
        return self.rule_in(self.time_zone)

    @staticmethod
    def of(rule: Rule) -> SessionRetention:
        """Return what a session says that has *rule* stamped on its recovery point."""
        return SessionRetention(**asdict(Retention.said_by(rule)), time_zone=rule.time_zone)

"""Checks a repository: what of it is not as it was written, and which recovery points that hurts.

For the command line and the operator; `check` looks at everything and writes nothing. Damage of one
object never hides another's: each is noted, and all else is looked at. What expires or is pruned
meanwhile is looked at again before it is a finding.
"""

from vmbackup_core.repository.control.check.report import CheckReport, Finding, Hurt, Place, What
from vmbackup_core.repository.control.check.whole import check

__all__ = ["CheckReport", "Finding", "Hurt", "Place", "What", "check"]

"""The work queue and what a reconciler answers."""

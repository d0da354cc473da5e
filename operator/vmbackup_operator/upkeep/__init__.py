"""Upkeep: what the owner of a repository does for it on a schedule, one pass at a time.

Wiring makes the `UpkeepReconciler`, and the work queue calls it with a repository's key. All that
is known of a pass is in the BackupRepository's ``status.maintenance``. Nothing in here opens a
repository, and nothing decides what of it goes: `UpkeepJobs` does.
"""

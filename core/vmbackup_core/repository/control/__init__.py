"""What the operator and the command line write and decide in the control place.

The log and what it holds, keys, commits, points and chains, and what is done with them: backup,
restore, retention, check, verify, repair (docs/repository-format.md). Nothing here opens a pack,
and no worker calls it.
"""

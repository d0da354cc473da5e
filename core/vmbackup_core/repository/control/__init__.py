"""The log, commits, points, holds and pack lists of repository format 1.0.

What the operator and the command line write and decide in the control place, from
docs/repository-format.md; they still write the earlier format (1.1) until they are switched
over as a whole. Nothing here opens a pack, and no worker calls it.
"""

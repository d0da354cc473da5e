"""The repository: recovery points of disks, as docs/repository-format.md lays them down.

Whoever has both places and a user key begins with `opened`; a worker is given what `data` takes.
"""

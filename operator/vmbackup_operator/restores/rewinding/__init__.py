"""Restores of mode Rewind: disks made of a retained snapshot set take the place of a VM's own.

Wiring hands the table to the frame in `sessions`, beside that of other restores. No worker and no
byte is in it: Azure copies. Nothing here ever deletes, or writes into, a disk that the VM had, and
the swap waits for its user's word.
"""

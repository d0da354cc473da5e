"""Restores of source Snapshots: new disks, and a VM of them, made of a retained snapshot set.

Wiring hands the table to the frame in `sessions`, beside that of other restores. No worker and no
byte is in it: Azure copies. What is planned, judged and told is what every restore plans.
"""

"""Sessions of type Snapshot: consistent snapshot sets that stay in Azure and move no data.

Wiring hands the table to the frame in `sessions`, beside that of backups. There is no worker, no
region environment and no repository in it: what is kept are the snapshots themselves, which say by
their sealed tags what they are.
"""

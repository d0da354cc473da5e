"""Content of managed disks and snapshots, and the hosts that export it."""

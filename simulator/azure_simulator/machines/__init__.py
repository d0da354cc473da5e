"""VMs as process trees with networks and file trees of their own."""

"""What is let go: which points rules keep, expire, and prune of what nothing needs then."""

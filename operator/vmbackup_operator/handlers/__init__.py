"""What kopf calls: each handler unpacks and passes on."""

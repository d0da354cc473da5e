"""What operator and worker agree on: errors, ids, stores, the repository, the conversation."""

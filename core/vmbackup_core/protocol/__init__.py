"""The conversation between operator and worker: messages, sealing, queues."""

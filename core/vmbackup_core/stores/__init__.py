"""Where objects lie: the port, and its adapters for Azure Blob, a directory and memory."""

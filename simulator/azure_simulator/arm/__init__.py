"""Azure Resource Manager: routing, long-running operations, one module for each resource type."""

"""Typed custom resources: parsed once from what Kubernetes holds, rendered back to it."""

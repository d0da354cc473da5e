"""Kubernetes, behind the ports that the domain declares."""

"""Typed custom resources: parsed once from what Kubernetes holds, rendered back to it.

One module per kind, named after it; what several kinds share lies in `metadata`, `conditions`,
`references`, `retention` and `progress`. Values only: frozen, with tuples for lists, so that a
changed object is a new object (`msgspec.structs.replace`) and equality says whether anything
differs. The schema that the API server enforces is in crds/; a test compares both, field by field.
"""

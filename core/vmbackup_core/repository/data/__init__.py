"""The data place of a repository: packs, index objects and manifests, written and read."""

"""The control plane of vmbackup: reconciles its custom resources and drives Azure."""

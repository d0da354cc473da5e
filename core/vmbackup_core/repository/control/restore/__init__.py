"""What is needed to restore a disk: by a point that counts, or from a manifest alone."""

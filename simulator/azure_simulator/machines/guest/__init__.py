"""What runs inside a VM, by the image's Python (3.10 or newer) and its standard library alone."""

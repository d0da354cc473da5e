"""As much of Azure as a VM backup uses, on loopback, and no kinder than Azure."""

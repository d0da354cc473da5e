"""Who opens a repository and who owns it: user keys, epochs and claims, as the log says them."""

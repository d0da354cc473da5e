"""The private network's enforcement: names, reachability, certificates and the ways in."""

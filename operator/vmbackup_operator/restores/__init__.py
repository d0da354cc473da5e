"""Sessions that bring a recovery point back: each is answered that it is not supported yet."""

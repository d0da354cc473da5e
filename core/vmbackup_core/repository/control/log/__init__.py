"""The log: its entries, what they say together, read to its end and appended to."""

"""Sessions that bring a recovery point back: not supported yet, and saying so.

Wiring hands the table to the frame in `sessions`; nothing else calls in here.
"""

"""Sessions that copy a recovery point to an archive repository: not supported yet, and saying so.

Wiring hands the table to the frame in `sessions`; nothing else calls in here.
"""

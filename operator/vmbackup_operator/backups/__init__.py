"""Sessions that back up one VM: their table of steps, and the steps that are theirs alone.

Wiring hands the table to the frame in `sessions`; nothing else calls in here. What other kinds of
session need as well belongs to `sessions/steps`, and no other kind is imported.
"""

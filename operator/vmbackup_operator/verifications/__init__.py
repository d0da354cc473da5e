"""Sessions that read back what a repository holds of one VM: their table, and their own steps.

Wiring hands the table to the frame in `sessions`. Steps that are not theirs alone are in
`sessions/steps`, and no other kind is imported.
"""

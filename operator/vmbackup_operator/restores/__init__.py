"""Sessions that bring a recovery point back, as new disks or as a new VM made of them.

Wiring hands the table to the frame in `sessions`. Steps that are not theirs alone are in
`sessions/steps`, and no other kind is imported. Nothing that exists is overwritten, and what a
session made that does not succeed is removed.
"""

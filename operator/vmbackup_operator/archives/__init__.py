"""Sessions that copy a recovery point of one repository into another: a table, and its own steps.

Wiring hands the table to the frame in `sessions`; nothing else calls in here. Nothing is asked of
the VM, which need not exist any more.
"""

"""The data path beside other tools: backup, restore and check as whole processes.

Each is started alone and the system says what it took; docs/performance.md says how to read it.
"""

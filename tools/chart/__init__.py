"""What of charts/vmbackup is written by a program: the schema of its values, and its README.

`make chart` writes them; a test compares them with what the settings and values.yaml say.
"""

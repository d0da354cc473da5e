"""The steps that several kinds of session share: region, worker, exports, and giving all back.

A kind's table of steps names them (`backups/table.py` and its like); the frame in the folder above
takes them. They read what a session has recorded, never which kind it is, and import no kind.
"""

"""What is made of a recovery point: from the bodies that it recorded to those that are sent.

Pure, and called by the steps of a restore: the same point and the same spec are the same plan,
however often it is asked for. Nothing here asks Azure anything.
"""

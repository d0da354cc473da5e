"""Names, keys, ciphers, headers and wraps of repository format 1.0.

What the released 1.0 writes, from docs/repository-format.md; the operator and the command line
still write the earlier format (1.1) of docs/repository-format.md until they are switched over as a
whole. The layers above build packs, indexes, commits and the log from what is here. Nothing in
this folder knows what a pack or a commit holds.
"""

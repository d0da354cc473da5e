"""Entra ID's part: service principals and their tokens, role definitions and who may do what."""

"""Commits and what their pack lists say is needed: counted, listed, locked."""

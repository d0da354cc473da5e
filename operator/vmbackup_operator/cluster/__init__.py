"""Kubernetes, as far as the operator needs it: the adapters behind the domain's ports.

`objects` reads and writes our six kinds as typed values; `secrets_by_name`, `events` and
`definitions` are what else is asked for. Everything goes through one `connection`, whose errors are
TransientError, PermanentError and Conflict. Nothing is kept
but what makes writing the same again needless.
"""

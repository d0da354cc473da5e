"""Where adapters and reconcilers meet: the one place that knows both sides of every port.

`__main__` and the handlers start and use what is put together here; nothing below imports it.
"""

"""Which recovery points a retention keeps, why, and until when: pure, without a clock or a store.

`rules` is what a retention says, `keeping` which points it keeps and why, `in_force` which
retentions count while a shorter one waits, and `ends` until when a point is kept. The repository
stamps a retention on each point and lets points go by it; the operator asks the same functions
before it locks what a point needs, and for what people are shown.
"""

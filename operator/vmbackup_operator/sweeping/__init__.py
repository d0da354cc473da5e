"""The sweeper: what sessions left in Azure whose owner is gone, and that nothing knows of any more.

Whoever makes something for a session has written it down before (`sessions/undo_record.py`), and
what is written down is undone by `sessions/left_behind.py`. The sweeper is for what no record leads
to: the records were lost with their cluster, or somebody deleted them. It looks once a day.

`looking` collects what is there and who may need it, `needs` decides without asking anybody,
`removing` takes away what nobody needs, `sweeper` says when. Wiring calls `Sweeper.reconcile`, no
other. It never touches environments, nor what does not prove to be ours.
"""

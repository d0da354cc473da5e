"""A small node agent: it runs pods as processes of this machine, for the demo and tests.

Who has a control plane with deployments' controllers starts an `Agent` (agent.py) on it. The agent
registers nodes, binds pods to them and runs each pod's template: its command, arguments,
environment, files, ServiceAccount's token, probes, restarts and its end. A pod has a network and an
address of its own, as its user, on a root that it cannot write to; all by namespaces that any user
may make. What stands for the pod's image is a view of this machine's files (images.py).

It refuses a pod that has a field which it does not honour, by the field's path (fields.py). It
knows nothing of what it runs, and limits neither memory nor processors.
"""

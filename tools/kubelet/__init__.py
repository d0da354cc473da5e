"""A real node for a local control plane: Kubernetes' kubelet, with containerd and runc.

For the tests of the chart, on a machine where one is root: images are unpacked, pods get networks,
users, seccomp and limits as in anybody's cluster. The kubelet is built from the module that lies
here; containerd, runc and what connects pods are Debian's packages, as `debian.lock` names them:
`python -m tools.kubelet` fetches those, `python -m tools.kubelet --lock` writes the lock anew.
"""

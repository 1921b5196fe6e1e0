"""Asks a real istiod what it makes of resources, and compares that with meshtest's translation.

    python -m tests.istiod FILES...                   EQUAL, REFUSED, DIFFERENT or INVALID, for each file
    python -m tests.istiod --record DIR FILES...      writes what istiod sent to DIR/NAME.json, as golden recordings are
    python -m tests.istiod up | down                  keeps the servers between runs; without it each run starts its own

The servers (etcd, kube-apiserver, istiod and four Envoys) are the test bed's (`../shared/testbed/testbed build`), in network,
process and mount namespaces of their own, without kubelet and controllers: what exists is `../shared/golden/topology.yaml`,
just as written. Linux and root only.
"""

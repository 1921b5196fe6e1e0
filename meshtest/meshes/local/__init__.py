"""The local mesh: real Envoy processes on loopback, one a gateway and one a sidecar of each instance.

`ground` (pure) puts what istiod would send on loopback addresses; `envoy` runs one proxy; `mesh` runs them all.
"""

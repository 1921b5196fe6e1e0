"""Resources and topology to the Envoy configuration that istiod would send. Pure: no process, no clock, no network.

Follows Istio 1.32 as read in its source; pointers in docstrings are paths in the istio/istio repository.
"""

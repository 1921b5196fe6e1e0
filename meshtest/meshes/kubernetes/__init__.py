"""The mesh of a Kubernetes cluster with Istio; loaded only when one is asked for."""

"""The kinds of the Kubernetes Gateway API, after its CRDs (1.6, standard channel). Nothing but the CRDs checks them."""

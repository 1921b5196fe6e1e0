"""Manifests to resources, and what is wrong with them. Pure; knows nothing of Envoy or of any mesh."""

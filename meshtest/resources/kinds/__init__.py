"""The schema of each kind of Istio resource: a module for a kind, or for a part of one."""

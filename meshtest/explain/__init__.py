"""Which way a request takes, and why: the translated configuration evaluated as Envoy would, without sending anything."""

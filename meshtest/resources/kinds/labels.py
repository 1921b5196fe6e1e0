"""Labels to select workloads by, as istiod checks them (`pkg/config/labels/instance.go`)."""

from __future__ import annotations

from meshtest.resources import name
from meshtest.resources.schema import MapOf, Text

LABELS = MapOf(Text(name.label_value), name.label_key)

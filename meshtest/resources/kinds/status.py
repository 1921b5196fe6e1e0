"""HTTP status codes that a proxy answers with itself."""

from __future__ import annotations

from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import Report, Whole

_WHOLE = Whole(200, 599)


class Status:
    """A status from 200 to 599; istiod takes 600, too (`validateHTTPStatus`), but Envoy does not."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        """Check `value`; what is wrong goes to `report`."""
        if value == 600:
            report(path, "Istio takes 600, but Envoy only what is from 200 to 599", unsupported=True)
            return 600
        return _WHOLE.read(value, path, report)


STATUS = Status()

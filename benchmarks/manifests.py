"""How long reading and checking manifests takes: 1,000, 3,000 and 10,000 routes, beside PyYAML's bare C loader in the same run.

Run it with `python -m benchmarks.manifests`. Times are processor seconds, the least of several rounds.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial

import yaml

from meshtest.resources.manifest import check, read_text

SIZES = (1_000, 3_000, 10_000)
ROUNDS = 5

_HEAD = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: service-{index}
  namespace: default
spec:
  hosts:
  - service-{index}.example.com
  http:
"""
_ROUTE = """\
  - match:
    - uri:
        prefix: /path-{index}
    route:
    - destination:
        host: service-{service}
        port:
          number: 9080
"""


def virtual_services(routes: int, per: int = 10) -> str:
    """The YAML of VirtualServices for as many hosts, with `per` routes each, until there are `routes`."""
    documents = []
    for index, first in enumerate(range(0, routes, per)):
        rules = [_ROUTE.format(index=at, service=index) for at in range(first, min(first + per, routes))]
        documents.append(_HEAD.format(index=index) + "".join(rules))
    return "---\n".join(documents)


def least(measured: Callable[[], object]) -> float:
    """The least processor time of several rounds, in seconds."""
    times = []
    for _ in range(ROUNDS):
        gc.collect()
        begin = time.process_time()
        measured()
        times.append(time.process_time() - begin)
    return min(times)


def _bare(text: str) -> list[object]:
    return list(yaml.load_all(text, Loader=yaml.CSafeLoader))


def main() -> None:
    """Print a table, a line for each size."""
    print(f"{'routes':>7} {'MB':>5} {'read':>7} {'check':>7} {'both':>7} {'a route':>9} {'PyYAML':>7}")
    for size in SIZES:
        text = virtual_services(size)
        found = read_text(text, "f.yaml")
        read, checked = least(partial(read_text, text, "f.yaml")), least(partial(check, found))
        bare = least(partial(_bare, text))
        both = read + checked
        print(
            f"{size:>7} {len(text) / 1e6:>5.2f} {read:>6.3f}s {checked:>6.3f}s {both:>6.3f}s {both / size * 1e6:>7.1f}us {bare:>6.3f}s"
        )


if __name__ == "__main__":
    main()

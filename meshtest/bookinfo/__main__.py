"""``python -m meshtest.bookinfo``: runs a plan's instances until standard input ends, SIGTERM or the parent's death.

``python -m meshtest.bookinfo pod`` is one pod of a cluster (`meshtest.bookinfo.pod`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import resource
import signal
import sys

from meshtest.bookinfo.control import Lines, obey, read_message, write
from meshtest.bookinfo.host import Host
from meshtest.bookinfo.plan import PlanError, read_instances

_PR_SET_PDEATHSIG = 1  # prctl(2)


async def serve() -> int:
    """Runs until told to stop; the exit status."""
    host = Host()
    try:
        lines = Lines()
        plan = await lines.get()
        listening = [] if plan is None else await host.add(read_instances(read_message(plan)))
    except PlanError as error:
        write({"error": str(error)})
        return 1
    if plan is None:
        return 0
    _heed_signals()
    write({"listening": listening})
    # What lives now lives to the end: keep it out of the garbage collector's way.
    gc.freeze()
    try:
        while (line := await lines.get()) is not None:
            write(await obey(host, line))
    finally:
        host.close()
    return 0


def _raise_file_limit() -> None:
    """A mesh's listeners and the proxies' connections pass the usual soft limit of 1,024 descriptors."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS reports no limit and takes less
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _heed_signals() -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    if not sys.stdin.isatty():  # a Ctrl-C is the parent's to handle: it needs the workloads to wind up
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        # The kernel sends it at the death of the *thread* that started us, so see whether the process itself is gone.
        parent = os.getppid()
        loop.add_signal_handler(signal.SIGUSR1, lambda: task.cancel() if os.getppid() != parent else None)
        _ask_for_signal_at_parents_death(signal.SIGUSR1)


def _ask_for_signal_at_parents_death(number: int) -> None:
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def main() -> int:
    """The process's exit status."""
    _raise_file_limit()
    if sys.argv[1:2] == ["pod"]:
        return _pod()
    try:
        return asyncio.run(serve())
    except asyncio.CancelledError:
        return 0
    except (BrokenPipeError, KeyboardInterrupt):
        return 1


def _pod() -> int:
    from meshtest.bookinfo import pod

    parser = argparse.ArgumentParser(prog="python -m meshtest.bookinfo pod", description=pod.__doc__)
    for name, number in pod.PORTS.items():
        parser.add_argument(f"--{name}", type=int, default=number, metavar="PORT")
    parser.add_argument(
        "--quiet", type=float, default=pod.QUIET, metavar="SECONDS", help="without a request before it ends"
    )
    given = vars(parser.parse_args(sys.argv[2:]))
    return asyncio.run(pod.serve(os.environ, {name: given[name] for name in pod.PORTS}, given["quiet"]))


if __name__ == "__main__":
    sys.exit(main())

"""The web server's main process: ``python -m widget.web_main HOST PORT WORKERS``."""

from __future__ import annotations

import signal
import sys
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.errors import FatalError
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

HEADER_READ_MILLISECONDS = 10_000
KILL_SECONDS = 2


class StopsOnce(MPServer):
    """Granian that survives a second signal while it handles the first.

    Its handler sets an event, which takes a lock that the interrupted first call may hold: the process would wait for
    itself forever. The kernel sends the signal once for each thread of a parent that dies.
    """

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        super().signal_handler_interrupt(*args, **kwargs)  # type: ignore[no-untyped-call]


def main(host: str, port: int, workers: int) -> None:
    """Serve the application until SIGINT or SIGTERM, with options for production."""
    server = StopsOnce(
        "widget.web_process:server",
        address=host,
        port=port,
        workers=workers,
        factory=True,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_MILLISECONDS),
        websockets=False,
        backlog=2048,
        backpressure=4096,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=KILL_SECONDS,
    )
    try:
        server.serve()
    except FatalError:  # It has been logged.
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

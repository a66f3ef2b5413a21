"""The web server's main process and the signals that stop it."""

from __future__ import annotations

import os
import signal

from widget.web_main import StopsOnce


class InterruptedEvent:
    """An event whose setting is interrupted by the next signal, as happens when a parent with threads dies."""

    calls = 0

    def set(self) -> None:
        self.calls += 1
        if self.calls < 5:
            os.kill(os.getpid(), signal.SIGTERM)


def test_second_signal_does_not_interrupt_the_handling_of_the_first() -> None:
    server, event = StopsOnce("widget.web_process:server"), InterruptedEvent()
    server.main_loop_interrupt = event
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, server.signal_handler_interrupt)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    assert server.interrupt_signal
    assert event.calls == 1  # A nested call would wait forever for the lock that the first one holds.

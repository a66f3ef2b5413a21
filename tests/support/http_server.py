"""An HTTP server on this machine that gives the responses a test defines."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from widget.stores.fetching import Limits

HERE = Limits(loopback=True)


class Store:
    """A store's server. ``says``: the function that answers each path; ``asked``: paths and Host headers received."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[Any], None]] = {}
        self.asked: list[tuple[str, str]] = []
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                store.asked.append((self.path, self.headers["Host"]))
                with suppress(BrokenPipeError, ConnectionResetError):
                    store.handlers[self.path](self)

            do_POST = do_GET  # noqa: N815  # The name that the server looks for.

            def log_message(self, *args: Any) -> None:
                """Do not log."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def gives(body: bytes, status: int = 200, **headers: str) -> Callable[[Any], None]:
    def say(handler: Any) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            if value:
                handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return say

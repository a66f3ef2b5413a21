"""The demo store and the local mailbox: local mode only. The store stands outside and uses our public doors."""

from __future__ import annotations

from flask import Flask

from widget.web.demo import mailbox, store


def hang(app: Flask) -> None:
    app.register_blueprint(store.blueprint)
    app.register_blueprint(mailbox.blueprint)

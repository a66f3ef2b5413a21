"""Pages that need no JavaScript: the quiz, results, and the pages that links in emails lead to."""

from __future__ import annotations

from flask import Flask

from widget.web.assets import asset_path
from widget.web.limits import init_limits
from widget.web.pages import emails, quiz


def register(app: Flask) -> None:
    init_limits(app, app.extensions["services"].settings)
    app.jinja_env.globals["asset"] = asset_path
    app.register_blueprint(emails.blueprint)
    app.register_blueprint(quiz.blueprint)

"""The web application: which doors hang where."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from widget.parts import Parts, build_parts
from widget.settings import read_settings
from widget.telemetry import start_logs
from widget.web import api, console, demo, embed, pages, webhooks
from widget.web.front import Front
from widget.web.numbers import register_numbers
from widget.web.operations import hang_operations
from widget.web.problems import hang_problems
from widget.web.requests import MOST_BODY, hang_requests
from widget.web.server import Server


def create_app(parts: Parts) -> Flask:
    """The Flask application over these parts."""
    app = Flask("widget", static_folder=None, template_folder="web/templates")
    app.extensions["parts"] = parts
    app.config["MAX_CONTENT_LENGTH"] = MOST_BODY
    app.config["MAX_FORM_MEMORY_SIZE"] = MOST_BODY
    app.config["SECRET_KEY"] = parts.settings.secret_keys[0]
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    app.config["SESSION_COOKIE_SECURE"] = parts.settings.secure
    app.config["SESSION_COOKIE_NAME"] = "__Host-console" if parts.settings.secure else "console"
    register_numbers(app)
    hang_problems(app)
    hang_requests(app)
    hang_operations(app)
    embed.hang(app)
    api.hang(app)
    webhooks.hang(app)
    pages.hang(app)
    console.hang(app)
    if parts.settings.local:
        demo.hang(app)
    return app


def create_wsgi(parts: Parts) -> Front:
    """What a web server runs: a thin layer that answers what is known already, over the application."""
    app = create_app(parts)
    proxies = parts.settings.trusted_proxies
    inner = ProxyFix(app, x_for=proxies, x_proto=proxies, x_host=proxies) if proxies else app
    return Front(inner, parts)


def server() -> Server:
    """Factory for the server's worker processes: settings from the environment, parts of their own."""
    settings = read_settings()
    start_logs(settings.log_level)
    parts = build_parts(settings, listen=True)
    return Server(create_wsgi(parts), parts)

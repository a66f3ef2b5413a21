"""The web application: registers the blueprints and wraps them in the caching middleware."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from widget.demo import web as demo
from widget.services import Services, build_services
from widget.settings import read_settings
from widget.telemetry import start_logs
from widget.web import api, console, embed, pages, webhooks
from widget.web.caching_middleware import CachingMiddleware
from widget.web.numbers import register_numbers
from widget.web.operations import register_operations
from widget.web.problems import register_error_handlers
from widget.web.requests import MAX_BODY, register_request_handlers
from widget.web.server import Server


def create_app(services: Services | None = None) -> Flask:
    """Build the Flask application. Without ``services``, build them from the environment's settings.

    That makes ``flask --app widget.app routes`` and ``… shell`` work. Raises SettingsError.
    """
    if services is None:
        services = build_services(read_settings(default_env="local"))
    app = Flask("widget", static_folder=None, template_folder="web/templates")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True  # A third of a result would be indentation.
    app.extensions["services"] = services
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY
    app.config["SECRET_KEY"] = services.settings.secret_keys[0]
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    app.config["SESSION_COOKIE_SECURE"] = services.settings.secure
    app.config["SESSION_COOKIE_NAME"] = "__Host-console" if services.settings.secure else "console"
    register_numbers(app)
    register_error_handlers(app)
    register_request_handlers(app)
    register_operations(app)
    embed.register(app)
    api.register(app)
    webhooks.register(app)
    pages.register(app)
    console.register(app)
    if services.settings.local:
        demo.register(app)
    return app


def create_wsgi(services: Services, app: Flask | None = None) -> CachingMiddleware:
    """Build the WSGI application: the Flask application behind a thin layer that answers from the cache."""
    app = app or create_app(services)
    proxies = services.settings.trusted_proxies
    inner = ProxyFix(app, x_for=proxies, x_proto=proxies, x_host=proxies) if proxies else app
    return CachingMiddleware(inner, services)


def server() -> Server:
    """Build the server of one web worker process, with settings from the environment and its own services."""
    settings = read_settings()
    start_logs(settings.log_level)
    services = build_services(settings, listen=True)
    return Server(create_wsgi(services), services)

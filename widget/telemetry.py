"""Logs and metrics. Both contain ids and codes, never addresses, answers, or tokens."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry(auto_describe=True)
REQUESTS = Counter("recovery_requests", "Requests answered", ["blueprint", "status"], registry=REGISTRY)
SECONDS = Histogram(
    "recovery_request_seconds",
    "Response time of requests",
    ["blueprint"],
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
    registry=REGISTRY,
)
RESULTS = Counter("recovery_results", "Results returned", ["source"], registry=REGISTRY)
CACHE_FAILURES = Counter("recovery_cache_failures", "Failed Redis calls", registry=REGISTRY)
CACHE_OPEN = Gauge(
    "recovery_cache_circuit_open",
    "1 while the circuit breaker keeps Redis from being called",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
RESPONSES_LOST = Counter("recovery_responses_lost", "Anonymous responses not stored", registry=REGISTRY)
RESPONSES_SAMPLED = Counter(
    "recovery_responses_sampled", "Responses counted and not stored, above a rate", registry=REGISTRY
)
WEBHOOKS_RECEIVED = Counter(
    "recovery_webhook_deliveries", "Webhook deliveries", ["source", "outcome"], registry=REGISTRY
)
EMAIL_EVENTS = Counter(
    "recovery_email_events", "Email events by kind; cause: what a refusal names", ["kind", "cause"], registry=REGISTRY
)
BOUNCE_MESSAGES = Counter(
    "recovery_bounce_messages", "Messages read from the bounce mailbox or from files", ["outcome"], registry=REGISTRY
)
LAST_SWEEP = Gauge(
    "recovery_sweep_last_success_timestamp_seconds",
    "When a task of the workers last ended without an error, in Unix time",
    ["task"],
    registry=REGISTRY,
    multiprocess_mode="max",
)
EMAILS = Counter("recovery_emails", "Emails by state", ["state"], registry=REGISTRY)

_TOKENS = re.compile(r"/(r|u|c|p|f|l|results|set-password)/[^/?\s]+")
_ADDRESS = re.compile(r"[^\s<>\"',;:@]{1,254}@[^\s<>\"',;@]{1,254}")
MAX_VALUE = 4_000
"""Maximum characters of a value in a log line, so that client input can make neither a line nor its masking long."""


def masked_path(path: str) -> str:
    """Return a path for a log line, with tokens and codes masked."""
    return _TOKENS.sub(r"/\1/…", path)


def _mask(logger: Any, name: str, event: Any) -> Any:
    """Mask addresses and link tokens in every log line, whichever code logs it (the last line of defense)."""
    for key, value in event.items():
        if isinstance(value, str):
            short = value if len(value) <= MAX_VALUE else f"{value[:MAX_VALUE]}…"
            event[key] = masked_path(_ADDRESS.sub("…@…", short) if "@" in short else short)
    return event


def start_logs(level: str) -> None:
    """Configure our own loggers and those of libraries to write JSON lines to standard error."""
    number = getattr(logging, level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _format_exception,
        _mask,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))


def _format_exception(logger: Any, name: str, event: Any) -> Any:
    """Log an exception's type and location, but not its text, which may repeat client input."""
    failure = event.pop("exc_info", None)
    if failure is True:
        failure = sys.exc_info()
    if isinstance(failure, BaseException):
        failure = (type(failure), failure, failure.__traceback__)
    if isinstance(failure, tuple) and failure[0]:
        frames = []
        trace = failure[2]
        while trace:
            code = trace.tb_frame.f_code
            frames.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno} {code.co_name}")
            trace = trace.tb_next
        event["error"] = failure[0].__name__
        event["where"] = frames[-8:]
    return event


def log(name: str) -> Any:
    """Return a logger bound to a name."""
    return structlog.get_logger(source=name)

"""One Redis URL in the forms that our client, the limits library, and Celery need."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import redis
from redis.sentinel import Sentinel

from widget.sentinel_url import is_sentinel, sentinel_url


def open_redis(url: str, **options: Any) -> redis.Redis:
    """Return a client for a Redis URL; behind Sentinel, it asks for the primary at each new connection."""
    if not is_sentinel(url):
        return redis.Redis.from_url(url, **options)
    parts = sentinel_url(url)
    times = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout") if name in options}
    sentinels = Sentinel(list(parts.hosts), sentinel_kwargs={**times, **parts.sentinel_login})  # type: ignore[no-untyped-call]
    client: redis.Redis = sentinels.master_for(parts.name, db=parts.db, **parts.login, **options)  # type: ignore[no-untyped-call]
    return client


def limits_storage(url: str) -> tuple[str, dict[str, Any]]:
    """Return (URL, options) of this Redis for the limits library."""
    if not is_sentinel(url):
        return url.replace("unix://", "redis+unix://", 1), {}  # The library's scheme for a Unix socket.
    parts = sentinel_url(url)
    hosts = ",".join(f"{host}:{port}" for host, port in parts.hosts)
    options = {"use_replicas": False, "sentinel_kwargs": parts.sentinel_login, "db": parts.db, **parts.login}
    return f"redis+sentinel://{hosts}/{parts.name}", options


def celery_broker(url: str) -> tuple[str, dict[str, Any]]:
    """Return (URL, transport options) of this broker for Celery."""
    if not is_sentinel(url):
        return url.replace("unix://", "redis+socket://", 1), {}
    parts = sentinel_url(url)
    login = f"{quote(parts.username, safe='')}:{quote(parts.password, safe='')}@" if parts.password else ""
    each = (f"sentinel://{login}{host}:{port}/{parts.db}" for host, port in parts.hosts)
    return ";".join(each), {"master_name": parts.name, "sentinel_kwargs": parts.sentinel_login}

"""Scripts and style sheets, minified at startup and named by content hash."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import minify
from rcssmin import cssmin

_SCRIPTS = (
    *("pages.js", "store.js", "console.js", "mappings.js", "conditions.js", "try.js", "colors.js", "results.js"),
)
_JS, _CSS = "text/javascript; charset=utf-8", "text/css; charset=utf-8"


def _source(name: str) -> str:
    return (files("widget.web") / "files" / name).read_text(encoding="utf-8")


def _script(name: str) -> str:
    """Return a script without spaces and comments, with short local and private names."""
    return str(minify.string("text/javascript", _source(name)))


def _hashed(stem: str, ending: str, body: bytes) -> str:
    return f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}.{ending}"


def _made() -> tuple[bytes, dict[str, tuple[bytes, str]], dict[str, str]]:
    """Return (loader, (body, content type) by hashed name, hashed name by plain name)."""
    assets: dict[str, tuple[bytes, str]] = {}
    names: dict[str, str] = {}
    for name in ("quiz.css", "pages.css", "store.css", "console.css"):
        body = cssmin(_source(name)).encode()
        names[name] = _hashed(name.removesuffix(".css"), "css", body)
        assets[names[name]] = (body, _CSS)
    for name in _SCRIPTS:
        body = _script(name).encode()
        names[name] = _hashed(name.removesuffix(".js"), "js", body)
        assets[names[name]] = (body, _JS)
    widget = _script("widget.js").replace("__CSS__", names["quiz.css"]).encode()
    names["widget.js"] = _hashed("widget", "js", widget)
    assets[names["widget.js"]] = (widget, _JS)
    loader = _script("embed.js").replace("__WIDGET__", f"embed/{names['widget.js']}").encode()
    return loader, assets, names


LOADER, ASSETS, NAMES = _made()


def asset_path(name: str) -> str:
    """Return the URL path of an asset, for templates."""
    return f"/embed/{NAMES[name]}"

"""Scripts and style sheets, minified at startup and named by content hash."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files

_SCRIPTS = (
    *("pages.js", "store.js", "console.js", "mappings.js", "conditions.js", "try.js", "colors.js", "results.js"),
)
_JS, _CSS = "text/javascript; charset=utf-8", "text/css; charset=utf-8"


def _source(name: str) -> str:
    return (files("widget.web") / "files" / name).read_text(encoding="utf-8")


def slim_css(text: str) -> str:
    """Strip comments and unneeded whitespace. Our style sheets have no strings that contain either."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", text)
    return re.sub(r"\s*([{};,])\s*|(:)\s+", lambda m: m[1] or m[2], text).replace(";}", "}").strip()


def slim_js(text: str) -> str:
    """Strip whole-line comments and indentation; nothing inside a line is changed."""
    text = re.sub(r"^\s*/\*\*.*?\*/\s*$", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = (line.strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def _hashed(stem: str, ending: str, body: bytes) -> str:
    return f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}.{ending}"


def _made() -> tuple[bytes, dict[str, tuple[bytes, str]], dict[str, str]]:
    """Return (loader, (body, content type) by hashed name, hashed name by plain name)."""
    assets: dict[str, tuple[bytes, str]] = {}
    names: dict[str, str] = {}
    for name in ("quiz.css", "pages.css", "store.css", "console.css"):
        body = slim_css(_source(name)).encode()
        names[name] = _hashed(name.removesuffix(".css"), "css", body)
        assets[names[name]] = (body, _CSS)
    for name in _SCRIPTS:
        body = slim_js(_source(name)).encode()
        names[name] = _hashed(name.removesuffix(".js"), "js", body)
        assets[names[name]] = (body, _JS)
    widget = slim_js(_source("widget.js")).replace("__CSS__", names["quiz.css"]).encode()
    names["widget.js"] = _hashed("widget", "js", widget)
    assets[names["widget.js"]] = (widget, _JS)
    loader = slim_js(_source("embed.js")).replace("__WIDGET__", f"embed/{names['widget.js']}").encode()
    return loader, assets, names


LOADER, ASSETS, NAMES = _made()


def asset_path(name: str) -> str:
    """Return the URL path of an asset, for templates."""
    return f"/embed/{NAMES[name]}"

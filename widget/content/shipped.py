"""Locations of the content packs that ship with the program."""

from __future__ import annotations

from pathlib import Path

from widget.settings import REPOSITORY

_INSTALLED = Path(__file__).resolve().parent.parent / "packs"


def shipped_pack(name: str) -> Path:
    """Return the folder of a shipped pack: in an installed wheel, or in ``content/`` of a checkout."""
    installed = _INSTALLED / name
    return installed if installed.is_dir() else REPOSITORY / "content" / name

"""Packs stored with a content version, which are valid and immutable."""

from __future__ import annotations

from functools import lru_cache

from widget.content.files import PackFiles
from widget.content.reader import read_files
from widget.content.reading import Broken
from widget.domain.content.pack import Pack

MAX_KEPT = 8


def load_pack(files: PackFiles) -> Pack:
    """Return the pack in the files of a content version. Raises Broken.

    The last few are cached: shops often share a pack, and a rollback returns to a version that was read before.
    """
    return _loaded(tuple(sorted(files.items())))


@lru_cache(maxsize=MAX_KEPT)
def _loaded(files: tuple[tuple[str, str], ...]) -> Pack:
    reading = read_files(dict(files), [])
    if reading.pack is None:
        raise Broken(reading.errors)
    return reading.pack

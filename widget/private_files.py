"""Files in the data folder that only their owner can read, regardless of the umask."""

from __future__ import annotations

import os
from pathlib import Path

OWNER_ONLY_FOLDER, OWNER_ONLY_FILE = 0o700, 0o600


def private_folder(path: Path) -> Path:
    """Create the folder if needed, restrict it to its owner, and return it."""
    path.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
    if path.stat().st_uid == os.getuid() and path.stat().st_mode & 0o077:
        path.chmod(OWNER_ONLY_FOLDER)
    return path


def own_files_only() -> None:
    """Make every file that this process and its children create from now on readable by its owner only."""
    os.umask(0o077)

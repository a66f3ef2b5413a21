"""Files of the data folder that only their owner can read, whatever the umask."""

from __future__ import annotations

import os
from pathlib import Path

OWNER_ONLY_FOLDER, OWNER_ONLY_FILE = 0o700, 0o600


def private_folder(path: Path) -> Path:
    """The folder, made if new; nobody else may look into it."""
    path.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
    if path.stat().st_uid == os.getuid() and path.stat().st_mode & 0o077:
        path.chmod(OWNER_ONLY_FOLDER)
    return path


def own_files_only() -> None:
    """From now on, whatever this process and its children make is readable by its owner alone."""
    os.umask(0o077)

"""Build command that adds the shipped content packs to the wheel, as data of the package ``widget``."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools.command.build_py import build_py

PACKS = Path(__file__).resolve().parent.parent / "content"


class BuildWithPacks(build_py):
    """Copies ``content/<pack>/`` to ``widget/packs/<pack>/``. An editable installation reads ``content/`` directly."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "widget" / "packs"
            for pack in sorted(path for path in PACKS.iterdir() if path.is_dir()):
                shutil.copytree(pack, target / pack.name, dirs_exist_ok=True)

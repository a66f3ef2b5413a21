"""Check the packages in the lock files for known vulnerabilities, and report if the database cannot be reached.

Exits with 1 if there is a known vulnerability, else with 0 and a line with the number of packages that were checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SECONDS = 90
LOCKS = ("run.lock", "oidc.lock")


def main() -> None:
    for name in LOCKS:
        dependencies = _audited(Path("requirements", name))
        if dependencies is None:
            print(f"requirements/{name}: not checked for known vulnerabilities, since the database cannot be reached.")
            continue
        found = [row for row in dependencies if row.get("vulns")]
        checked = [row for row in dependencies if "skip_reason" not in row]
        for row in found:
            ids = ", ".join(vulnerability["id"] for vulnerability in row["vulns"])
            print(f"requirements/{name}: {row['name']} {row['version']}: {ids}")
        if found:
            sys.exit(1)
        skipped = len(dependencies) - len(checked)
        message = f", {skipped} could not be looked up from here" if skipped else ""
        print(f"requirements/{name}: no known vulnerability in {len(checked)} packages{message}.")


def _audited(lock: Path) -> list[dict[str, Any]] | None:
    """Return pip-audit's report for each package; None if no package could be checked."""
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--no-deps", "--disable-pip", "-f", "json"]
    try:
        done = subprocess.run([*command, "-r", str(lock)], capture_output=True, timeout=SECONDS, check=False)
        dependencies = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    return None if all("skip_reason" in row for row in dependencies) else list(dependencies)


if __name__ == "__main__":
    main()

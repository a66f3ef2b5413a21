"""The peak memory of a whole path check, measured in its own process.

Prints the number of classes and the peak memory in MB.
"""

from __future__ import annotations

import resource

from tests.load.engines import paths_pack
from widget.path_coverage.check import check_paths


def main() -> None:
    outcome = check_paths(paths_pack(last=7))
    print(outcome.classes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main()

"""How many bounce messages of a folder are recognized, and how well: ``python -m tests.load.bounces FOLDER [--list]``.

FOLDER holds messages, one a file. A file ``labels*.tsv`` in it gives the truth: file name, recipients, category, and
whatever follows. The categories are those of ``bounce_category``, and delayed, complaint, unsubscribe, delivered, and
ignored; a file has one line for each outcome.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

from widget.domain.email.bounce_category import ADDRESS
from widget.domain.email.email_event import COMPLAINT, DELIVERED, UNSUBSCRIBED
from widget.email.events.messages import NO_REPORT, NOT_FINAL, read_message
from widget.email.events.reading import ReportUnreadable

NAMES = {COMPLAINT: "complaint", UNSUBSCRIBED: "unsubscribe", DELIVERED: "delivered"}


def read_categories(path: Path) -> tuple[set[str], list[str]]:
    """Return (what the product makes of a message, the recipients it finds)."""
    try:
        reading = read_message(path.read_bytes())
    except ReportUnreadable:
        return {"unreadable"}, []
    if reading.outcome == NOT_FINAL:
        return {"delayed"}, []
    if reading.outcome == NO_REPORT:
        return {"ignored"}, []
    return {report.category or NAMES.get(report.kind, report.kind) for report in reading.reports}, [
        report.email for report in reading.reports
    ]


def labels(folder: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path in folder.glob("labels*.tsv"):
        for line in path.read_text().splitlines():
            columns = line.split("\t")
            if len(columns) >= 3:
                found[columns[0]].add(columns[2].strip())
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    truth, counts = labels(folder), Counter[str]()
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in (".eml", ".txt"))
    for path in files:
        got, emails = read_categories(path)
        want = truth.get(path.name, set())
        recognized = got - {"ignored", "unreadable"}
        counts["messages"] += 1
        counts["recognized"] += bool(recognized) or want == {"ignored"}
        counts["hard"] += ADDRESS in got
        if want:
            counts["labeled"] += 1
            counts["exact"] += got == want
            counts["false hard"] += ADDRESS in got and ADDRESS not in want
            counts["true hard"] += ADDRESS in want
            counts["true hard found"] += ADDRESS in want and ADDRESS in got
        if "--list" in sys.argv or ("--wrong" in sys.argv and want and got != want):
            print(f"{path.name:45} got {','.join(sorted(got)):22} want {','.join(sorted(want)):22} {emails[:3]}")
    for name, count in counts.items():
        print(f"{name:18}{count:6}")
    for name, part, whole in (
        ("recognized", "recognized", "messages"),
        ("false hard", "false hard", "hard"),
        ("hard found", "true hard found", "true hard"),
    ):
        if counts[whole]:
            print(f"{name:18}{100 * counts[part] / counts[whole]:6.1f} %")


if __name__ == "__main__":
    main()

"""The kinds of records in a pack, with the console's title of each and the page that lists it."""

from __future__ import annotations

from widget.content.editing import (
    EMAIL,
    EXCLUSION,
    INTRO,
    PACK,
    PRODUCT,
    QUESTION,
    SEQUENCE,
    SINGLE,
    TIP,
    TRIAGE,
    Data,
)

PAGE_OF = {
    QUESTION: "quiz",
    INTRO: "quiz",
    PACK: "quiz",
    TRIAGE: "safety",
    EXCLUSION: "safety",
    PRODUCT: "products",
    TIP: "tips",
    EMAIL: "emails",
    SEQUENCE: "emails",
}
TITLES = {
    QUESTION: "Question",
    INTRO: "Introduction",
    PACK: "Result and settings",
    TRIAGE: "Safety row",
    EXCLUSION: "Exclusion",
    PRODUCT: "Product",
    TIP: "Tip",
    EMAIL: "Email",
    SEQUENCE: "Sequence",
}


def edit_summary(kind: str, name: str, before: Data | None, after: Data) -> str:
    """Return one line for the history of a draft: "question area: text, help"."""
    title = TITLES[kind].lower() + ("" if kind in SINGLE else f" {name}")
    if before is None:
        return f"{title} added"
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return f"{title}: {', '.join(changed[:4])}" + (" and more" if len(changed) > 4 else "")

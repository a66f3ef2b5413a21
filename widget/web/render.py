"""The result as markup, the same for the widget and the page without JavaScript."""

from __future__ import annotations

import re
from typing import Any

from flask import render_template

from widget.i18n.strings import strings_for

_INDENTATION = re.compile(r"\n\s+")
"""A quarter of the markup. The result has no element in which whitespace counts."""


def result_fragment(
    result: dict[str, Any], *, emails: str = "", page: bool = False, again: str = "", visit: str = ""
) -> str:
    """Render the inside of a result. ``emails``: URL that "email me my result" posts to; empty omits the form."""
    markup = render_template(
        "result.html",
        r=result,
        w=strings_for(result["locale"]),
        emails=emails if result["outcome"] in ("products", "tips_only") else "",
        page=page,
        again=again,
        visit=visit,
    )
    return _INDENTATION.sub("\n", markup)

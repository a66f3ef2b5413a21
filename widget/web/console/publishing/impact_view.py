"""View model of the impact report: shares, slopes, examples, checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from widget.content.sentences import Names
from widget.web.console.filters import points
from widget.web.console.page_context import PageContext, percent, product_names

LINE = 44
TOP, MIN_APART = 40, 20


@dataclass(frozen=True, slots=True)
class Slope:
    """One product: its share before and after in percent, and the vertical positions of both in px."""

    sku: str
    name: str
    before: str
    after: str
    change: str
    from_y: float
    to_y: float
    tone: str
    numbers: tuple[int, int]


def slope(impact: dict[str, Any], by: str, page: PageContext) -> dict[str, Any]:
    """Return where each product's line starts and ends. Labels never overlap. ``by``: answers or paths."""
    shown = impact["response_products"] if by == "answers" else impact["products"]
    whole = (impact["responses"] if by == "answers" else impact["paths"]) or 1
    names = product_names(page)
    height = max(160, LINE * len(shown))
    top = max((max(n["before"], n["after"]) for n in shown.values()), default=0) / whole or 1
    before = _spread({sku: TOP + (1 - n["before"] / whole / top) * (height - TOP) for sku, n in shown.items()})
    after = _spread({sku: TOP + (1 - n["after"] / whole / top) * (height - TOP) for sku, n in shown.items()})
    lines = [
        Slope(
            sku,
            names.get(sku, sku),
            percent(n["before"], whole),
            percent(n["after"], whole),
            points(n["after"] - n["before"], whole).removesuffix(" points"),
            before[sku],
            after[sku],
            "accent" if n["after"] > n["before"] else "warm" if n["after"] < n["before"] else "was",
            (n["before"], n["after"]),
        )
        for sku, n in shown.items()
    ]
    lines.sort(key=lambda line: -line.numbers[1])
    bottom = max([height, *before.values(), *after.values()])
    return {"lines": lines, "height": round(bottom + 12)}


def _spread(heights: dict[str, float]) -> dict[str, float]:
    """Return the same heights, moved down where two would be closer than a line of text."""
    placed: dict[str, float] = {}
    last = 0.0
    for sku, y in sorted(heights.items(), key=lambda height: height[1]):
        last = max(y, last + MIN_APART)
        placed[sku] = round(last, 1)
    return placed


def summary(report: dict[str, Any], names: dict[str, str]) -> str:
    """Return the whole impact in one or two sentences."""
    impact = report["impact"]
    if impact is None:
        return "Fix the errors to see the impact."
    if not impact["changed"] and not impact["responses_changed"]:
        return "No recommendation changes. Texts may change."
    paths = percent(impact["changed"], impact["paths"])
    if not impact["responses"]:
        return f"{paths} of answer paths lead to a different result. There are no answers in the last 30 days."
    real = percent(impact["responses_changed"], impact["responses"])
    few = impact["changed"] * impact["responses"] < impact["responses_changed"] * impact["paths"]
    opening = "Few paths, high traffic" if few else "Many paths, low traffic"
    gains = _most(impact["response_products"], 1)
    losses = _most(impact["response_products"], -1)
    message = (
        f"{opening}: {real} of answers in the last 30 days would have led to a different result, "
        f"on {paths} of answer paths."
    )
    if gains:
        message += f" {names.get(gains, gains)} gains most"
        message += f", {names.get(losses, losses)} loses most." if losses else "."
    return message


def _most(products: dict[str, dict[str, int]], sign: int) -> str:
    moves = {sku: sign * (n["after"] - n["before"]) for sku, n in products.items()}
    best = max(moves, key=lambda sku: moves[sku], default="")
    return best if best and moves[best] > 0 else ""


def example_view(impact: dict[str, Any], at: int, page: PageContext) -> dict[str, Any] | None:
    """Return one example: its answers as chips, and both results with the rows behind each product."""
    examples = impact["examples"]
    if not examples:
        return None
    at = at % len(examples)
    example, names = examples[at], Names.of(page.draft.files)
    positions = {
        side: {card["sku"]: rank for rank, card in enumerate((example[side] or {}).get("products", []), 1)}
        for side in ("before", "after")
    }
    return {
        "number": at + 1,
        "many": len(examples),
        "answers": example["answers"],
        "same": impact["same_answers"][at],
        "paths": example["paths"],
        "chips": [
            (names.question(question), ", ".join(names.option(question, item) for item in given))
            for question, given in example["answers"].items()
        ],
        "sides": [_side(example, impact["scores"][at], side, positions) for side in ("before", "after")],
        "rows": example["rows"],
    }


def _side(
    example: dict[str, Any], scores: dict[str, Any], side: str, positions: dict[str, dict[str, int]]
) -> dict[str, Any]:
    result = example[side]
    if result is None:
        return {"side": side, "refused": True, "products": [], "tips": [], "outcome": ""}
    other = positions["after" if side == "before" else "before"]
    products = [
        {
            "rank": rank,
            "sku": card["sku"],
            "name": f"{card['name']} {card['size'] or ''}".strip(),
            "match": card["match"],
            "rows": scores[side].get(card["sku"], {}).get("rows", []),
            "score": scores[side].get(card["sku"], {}).get("score"),
            "was": other.get(card["sku"]),
        }
        for rank, card in enumerate(result["products"], 1)
    ]
    gone = [
        {"sku": sku, "why": scores[side].get(sku, {}).get("kept_out")}
        for sku in other
        if side == "after" and sku not in positions["after"]
    ]
    return {
        "side": side,
        "refused": False,
        "outcome": result["outcome"].replace("_", " "),
        "products": products,
        "gone": gone,
        "tips": [tip["title"] for tip in result["tips"]],
    }


_GROUPS = (
    (
        "Answer paths",
        "path_ fallback_ slot_ tie_ product_never product_shown tip_never question_ option_ triage_ requires_",
    ),
    ("Rows", "row_ rows_ unused_ unread_ outside_ never_ undeclared_ unknown_ match_"),
    ("Claims", "claim missing_warning acceptance_ no_claim"),
    ("Evidence", "evidence_ no_evidence certificate_"),
    ("Catalog", "catalog_"),
    ("Languages", "missing_translation stale_translation unknown_translation unused_locale"),
    ("Emails", "email_ missing_file"),
)


def checklist(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each kind of check with its findings, the worst severity, and what was checked."""
    paths, texts = report["paths"], report["texts"]
    left = [item for item in report["findings"] if item["severity"] != "info"]
    message = {
        "Answer paths": f"{paths['paths']:,} answer paths{', exact' if paths['exact'] else ', estimated'}"
        if paths
        else "",
        "Rows": f"{texts.get('rows', 0)} mapping rows",
        "Claims": f"{texts.get('products', 0)} products, {texts.get('emails', 0)} emails, all texts",
        "Evidence": f"{texts.get('tips', 0)} tips, {texts.get('sources', 0)} sources",
        "Catalog": f"{texts.get('products', 0)} products with current store data",
        "Languages": f"{texts.get('locales', 0)} languages",
        "Emails": f"{texts.get('emails', 0)} emails, each with each product",
    }
    checks = []
    for name, starts in _GROUPS:
        mine = [item for item in left if item["code"].startswith(tuple(starts.split()))]
        left = [item for item in left if item not in mine]
        checks.append(
            {
                "name": name,
                "findings": mine,
                "message": message[name] if texts else "Not checked while files have errors",
            }
        )
    if left:
        checks.insert(0, {"name": "Files", "findings": left, "message": "All files can be read"})
    for check in checks:
        ranks = {finding["severity"] for finding in check["findings"]}
        check["worst"] = "error" if "error" in ranks else "warning" if ranks else ""
    return checks

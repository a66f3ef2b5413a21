"""Check a draft and compute its impact compared with the live version, as a stored report."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.actions.content.check_content import check_content
from widget.content.reader import read_files
from widget.content.reading import Located, Reading
from widget.content.record_places import spotter
from widget.domain.engine.answers import Refused
from widget.domain.engine.catalog import Catalog
from widget.domain.engine.drift import drift_problems
from widget.domain.engine.evaluation import evaluate
from widget.domain.engine.live import Engine
from widget.domain.engine.trace import trace
from widget.nudges import CONTENT, nudge
from widget.path_coverage.compare import Comparison, compare
from widget.path_coverage.layers import Progress
from widget.path_coverage.report import Coverage
from widget.path_coverage.side_by_side import example_of
from widget.path_coverage.traffic import Traffic, answers_key, traffic
from widget.services import Services
from widget.storage.catalog import stored_catalog
from widget.storage.drafts import Draft, DraftReport, report_of
from widget.storage.responses import Response
from widget.storage.shops import Shop

CHECK_WAITING, CHECK_RUNNING, CHECK_DONE, CHECK_FAILED = "waiting", "running", "done", "failed"
RESPONSES_FOR = timedelta(days=30)
MAX_RESPONSES = 20_000
"""Maximum number of responses of the last 30 days to compare, newest first; the report states how many there were."""
MAX_CAUSES = 6
MAX_REAL = 5
MAX_AT_ONCE = 400
"""Maximum number of mapping rows for which a request checks a draft itself; larger drafts are checked by a worker."""
Answers = dict[str, list[str]]


def check_draft(services: Services, draft: Draft, *, progress: Progress | None = None) -> dict[str, Any]:
    """Check the draft in its current state; return the report that ``_report`` describes, with ``seconds`` added."""
    started = time.perf_counter()
    reading = read_files(draft.files, [])
    live = _live_engine(services, draft)
    responses = recent_answers(services, draft) if reading.pack is not None else []
    comparison: Comparison | None = None
    coverage: Coverage | None = None
    if reading.pack is not None:
        engine = Engine.of(reading.pack)
        if live is not None:
            key = f"{draft.shop_id}:{draft.quiz}:{against(services, draft)}"
            comparison = compare(live, engine, responses, progress=progress, first=services.checked.get(key))
            services.checked.put(key, comparison.before)
            coverage = comparison.after
        coverage = check_content(reading, today=services.now().date(), progress=progress, coverage=coverage)
        reading.add(_drift(services, draft, engine))
    report = _report(draft, reading, coverage, comparison, responses, live)
    report["seconds"] = round(time.perf_counter() - started, 2)
    return report


def _live_engine(services: Services, draft: Draft) -> Engine | None:
    """Return the live version with the pack's own catalog, so that only the edit makes a difference."""
    with services.reads() as session:
        slug = shop_slug(session, draft.shop_id)
    loaded = services.quizzes.live(slug, draft.quiz)
    if loaded is None:
        return None
    rules = loaded.engine.rules
    return Engine(rules, Catalog(rules), loaded.engine.highest)


def shop_slug(session: Session, shop_id: int) -> str:
    """Return the slug of a shop, as used in URLs."""
    return session.get_one(Shop, shop_id).slug


def recent_answers(services: Services, draft: Draft) -> list[Answers]:
    """Return the newest anonymous answers of the last 30 days, at most MAX_RESPONSES."""
    with services.reads() as session:
        since = services.now() - RESPONSES_FOR
        wanted = (Response.shop_id == draft.shop_id, Response.quiz == draft.quiz, Response.created_at >= since)
        query = select(Response.answers).where(*wanted).order_by(Response.id.desc()).limit(MAX_RESPONSES)
        return list(session.scalars(query))


def _drift(services: Services, draft: Draft, engine: Engine) -> list[Any]:
    with services.reads() as session:
        feed, blocked = stored_catalog(session, draft.shop_id)
    return list(drift_problems(Catalog(engine.rules, feed=feed, blocked=frozenset(blocked)), feed))


def _report(
    draft: Draft,
    reading: Reading,
    coverage: Coverage | None,
    comparison: Comparison | None,
    responses: list[Answers],
    live: Engine | None,
) -> dict[str, Any]:
    """Return the report as plain data. ``findings`` name the record that each concerns.

    ``paths`` and ``impact`` are None while errors prevent the pack from being read.
    """
    spot = spotter(draft.files)
    examples = {(finding.code, finding.message): finding for finding in coverage.findings} if coverage else {}
    findings = [_finding(problem, spot(problem.problem.place), examples) for problem in reading.problems]
    order = {"error": 0, "warning": 1, "info": 2}
    findings.sort(key=lambda finding: (order[finding["severity"]], finding["kind"], finding["record"]))
    pack = reading.pack
    counted = (
        dict(comparison.traffic.rows)
        if comparison and comparison.traffic
        else _touched(Engine.of(pack), responses)
        if pack
        else {}
    )
    return {
        "findings": findings,
        "errors": sum(finding["severity"] == "error" for finding in findings),
        "answers": len(responses),
        "row_answers": counted,
        "paths": _paths(coverage) if coverage else None,
        "impact": _impact(comparison, live, pack) if comparison and live and pack else None,
        "texts": _counts(reading),
    }


def _finding(located: Located, spot: tuple[str, str, str], examples: dict[Any, Any]) -> dict[str, Any]:
    problem = located.problem
    known = examples.get((problem.code, problem.message))
    return {
        "severity": problem.severity,
        "code": problem.code,
        "message": problem.message.removeprefix(f"{spot[2]}: ") if spot[2] else problem.message,
        "suggestion": problem.suggestion,
        "kind": spot[0],
        "record": spot[1],
        "field": spot[2],
        "example": known.example if known else None,
    }


def _paths(coverage: Coverage) -> dict[str, Any]:
    return {
        "paths": coverage.paths,
        "classes": coverage.classes,
        "exact": coverage.exact,
        "sureness": coverage.sureness,
        "rows": coverage.rows,
        "shown": coverage.shown,
        "outcomes": coverage.outcomes,
        "tips": coverage.tips,
    }


def _counts(reading: Reading) -> dict[str, int]:
    pack = reading.pack
    if pack is None:
        return {}
    return {
        "rows": len(pack.mappings),
        "tips": len(pack.tips),
        "sources": sum(len(tip.evidence) for tip in pack.tips),
        "products": len(pack.products),
        "emails": len(pack.emails),
        "locales": len(pack.locales),
    }


def _touched(engine: Engine, responses: list[Answers]) -> dict[str, int]:
    """Count for each mapping row the answers on which it holds, if there is no live version to compare with."""
    return dict(traffic(engine, engine, responses).rows)


# Impact ----------------------------------------------------------------------------------------------


def _impact(comparison: Comparison, live: Engine, pack: Any) -> dict[str, Any]:
    """Return the comparison with the outcomes of recorded answers; the most frequent answers are the first examples."""
    draft = Engine.of(pack)
    data = comparison.data()
    data["findings"] = {name: [item.data() for item in getattr(comparison, name)] for name in ("new", "fixed")}
    real = comparison.traffic or Traffic()
    given = [json.loads(text) for text, _ in real.moved.most_common(MAX_REAL)]
    examples = [*(example_of(live, draft, answers, 0) for answers in given), *comparison.examples]
    data |= {
        "outcomes": {"before": comparison.before.outcomes, "after": comparison.after.outcomes},
        "response_outcomes": {side: dict(item) for side, item in zip(("before", "after"), real.outcomes, strict=True)},
        "causes": [list(cause) for cause in real.causes.most_common(MAX_CAUSES)],
        "away_from_doctor": real.away,
        "examples": examples,
        "scores": [_scores(live, draft, example["answers"]) for example in examples],
        "same_answers": [real.same[answers_key(example["answers"])] for example in examples],
    }
    return data


def _scores(live: Engine, draft: Engine, answers: Answers) -> dict[str, dict[str, Any]]:
    """Return score, rows, and reason for not being shown of each SKU, before and after, for one set of answers."""
    found = {}
    for side, engine in (("before", live), ("after", draft)):
        try:
            lines = trace(evaluate(engine.rules, engine.catalog, answers))["products"]
        except Refused:
            lines = []
        found[side] = {line["sku"]: {key: line[key] for key in ("score", "rows", "kept_out")} for line in lines}
    return found


# Stored reports --------------------------------------------------------------------------------------


def against(services: Services, draft: Draft) -> str:
    """Return a key of the live version and current catalog, which a report depends on; "" if no version is live."""
    with services.reads() as session:
        slug = shop_slug(session, draft.shop_id)
    loaded = services.quizzes.live(slug, draft.quiz)
    return f"{loaded.state}" if loaded else ""


def fresh_report(services: Services, draft: Draft) -> DraftReport | None:
    """Return the report of this revision against the current live version and catalog; None if there is none yet."""
    with services.reads() as session:
        row = report_of(session, draft.id)
    if row is None or row.revision != draft.revision or row.against != against(services, draft):
        return None
    return row


def ensure_report(services: Services, draft: Draft) -> DraftReport:
    """Return the report: computed at once for a quiz of ordinary size, else requested from a worker (``waiting``)."""
    row = fresh_report(services, draft)
    if row is not None and row.state != CHECK_FAILED:
        return row
    if draft.files.get("mappings.csv", "").count("\n") > MAX_AT_ONCE:
        return keep_report(services, draft, CHECK_WAITING, {})
    if not services.checking.acquire(blocking=False):
        return DraftReport(
            revision=draft.revision, state=CHECK_RUNNING, done=0, total=0, report={}
        )  # The caller asks again soon.
    try:
        return fresh_done(services, draft) or keep_report(services, draft, CHECK_DONE, check_draft(services, draft))
    finally:
        services.checking.release()


def fresh_done(services: Services, draft: Draft) -> DraftReport | None:
    """Return the fresh report if another request or worker has just finished it."""
    row = fresh_report(services, draft)
    return row if row is not None and row.state == CHECK_DONE else None


def keep_report(services: Services, draft: Draft, state: str, report: dict[str, Any]) -> DraftReport:
    """Store a report in place of the draft's previous one."""
    made_against = against(services, draft)
    with services.sessions.begin() as session:
        session.get_one(Draft, draft.id, with_for_update=True)  # Serialize concurrent checks.
        row = report_of(session, draft.id)
        if row is None:
            row = DraftReport(shop_id=draft.shop_id, draft_id=draft.id)
            session.add(row)
        row.revision, row.against, row.state = draft.revision, made_against, state
        row.report = report or row.report or {}  # Keep the previous figures until new ones are available.
        row.done = row.total = 0
        row.at = services.now()
        if state == CHECK_WAITING:
            nudge(session, CONTENT)
    return row


def check_waiting_drafts(services: Services) -> int:
    """Compute the requested reports (called by workers); return how many were computed."""
    with services.reads() as session:
        waiting = list(
            session.scalars(select(DraftReport).where(DraftReport.state.in_((CHECK_WAITING, CHECK_RUNNING))))
        )
    stale = services.now() - timedelta(minutes=10)
    made = 0
    for row in waiting:
        if row.state == CHECK_RUNNING and row.at > stale:
            continue  # Another worker is computing it.
        made += _check_one(services, row)
    return made


def _check_one(services: Services, row: DraftReport) -> bool:
    with services.sessions.begin() as session:
        held = session.get(DraftReport, row.id, with_for_update=True)
        if held is None or held.state != row.state or held.at != row.at:
            return False
        held.state, held.at = CHECK_RUNNING, services.now()
        draft = session.get_one(Draft, held.draft_id)

    def progress(done: int, total: int) -> None:
        with services.sessions.begin() as session:
            value = session.get(DraftReport, row.id)
            if value is not None:
                value.done, value.total = done, total

    try:
        report = check_draft(services, draft, progress=progress)
    except Exception:
        keep_report(services, draft, CHECK_FAILED, {})
        raise
    keep_report(services, draft, CHECK_DONE, report)
    return True

"""Run all checks of a pack before publishing. The command line, the console, and CI share this module."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from widget.actions.content.check_emails import email_problems
from widget.content.claim_check import claim_problems
from widget.content.reading import Reading
from widget.domain.content.evidence import evidence_problems
from widget.domain.content.pack import Pack
from widget.domain.content.problem import WARNING, Problem
from widget.domain.engine.highest import highest_score
from widget.domain.engine.rules import Rules
from widget.path_coverage.check import check_paths
from widget.path_coverage.layers import Progress
from widget.path_coverage.report import Coverage


def check_content(
    reading: Reading,
    *,
    today: date,
    soon: timedelta | None = None,
    progress: Progress | None = None,
    coverage: Coverage | None = None,
) -> Coverage | None:
    """Add the problems of the pack as a whole to a reading; return the report on its answer paths.

    Returns None if the pack could not be read. ``soon``: also report evidence and certificates due within this time.
    ``coverage``: the report on the answer paths of this same pack, if already available.
    """
    if reading.pack is None:
        return None
    reading.add(evidence_problems(reading.pack, today, soon))
    reading.add(email_problems(reading.pack))
    reading.add(claim_problems(reading.pack))
    reading.add(_estimated_matches(reading.pack))
    coverage = coverage or check_paths(reading.pack, progress=progress)
    reading.add(path_problems(coverage))
    return coverage


def path_problems(coverage: Coverage) -> Iterable[Problem]:
    """Yield the findings of the path check as problems located in files."""
    for finding in coverage.findings:
        yield Problem(finding.severity, finding.where, finding.code, finding.message)


def _estimated_matches(pack: Pack) -> Iterable[Problem]:
    """Yield a warning for each product whose highest score, and so its match percentage, is only an estimate."""
    rules = Rules(pack)
    message = "the match of '{}' is an estimate: too many rows depend on too many questions"
    for product in rules.products:
        if not highest_score(rules, product.sku)[1]:
            yield Problem(WARNING, ("mappings.csv",), "match_estimated", message.format(product.sku))

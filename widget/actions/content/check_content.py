"""Run every check of a pack before publishing. Command line, console, and CI share it."""

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
    """Add to a reading what shows only on a whole pack; the report on its paths, or None where it has errors.

    ``soon``: also tell which evidence and certificates fall due within that time. ``told``: the report on the paths of
    this very pack, where somebody has it already.
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
    """The findings of the path check as problems of files."""
    for finding in coverage.findings:
        yield Problem(finding.severity, finding.where, finding.code, finding.message)


def _estimated_matches(pack: Pack) -> Iterable[Problem]:
    """Products whose highest score, and so their match in percent, could only be estimated."""
    rules = Rules(pack)
    message = "the match of '{}' is an estimate: too many rows look at too many questions at once"
    for product in rules.products:
        if not highest_score(rules, product.sku)[1]:
            yield Problem(WARNING, ("mappings.csv",), "match_estimated", message.format(product.sku))

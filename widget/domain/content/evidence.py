"""Checks of evidence and certificates: incomplete, overdue, or due soon."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from widget.domain.content.pack import Evidence, Pack
from widget.domain.content.problem import ERROR, INFO, WARNING, Problem

_SHOWN = ("year", "strength", "limits", "review_by")


def evidence_problems(pack: Pack, today: date, soon: timedelta | None = None) -> Iterator[Problem]:
    """Yield problems with evidence and certificates.

    A ``review_by`` date in the past is an error. With ``soon``, dates within that time are reported as well.
    """
    for tip in pack.tips:
        for at, evidence in enumerate(tip.evidence):
            place = (f"tips/{tip.id}.md", "evidence", at)
            missing = [name for name in _SHOWN if getattr(evidence, name) is None]
            if missing:
                message = f"tip '{tip.id}': evidence {at + 1} has no {', '.join(missing)}"
                yield Problem(WARNING, place, "evidence_incomplete", message)
            yield from _due(tip.id, evidence, place, today, soon)
    yield from _certificates(pack, today, soon)


def _due(
    tip: str, evidence: Evidence, place: tuple[str | int, ...], today: date, soon: timedelta | None
) -> Iterator[Problem]:
    by = evidence.review_by
    if by is None:
        return
    spot = (*place, "review_by")
    if by < today:
        message = f"tip '{tip}': the evidence was due for review by {by}: review it, then update the date"
        yield Problem(ERROR, spot, "evidence_overdue", message)
    elif soon is not None and by <= today + soon:
        message = f"tip '{tip}': the evidence is due for review on {by} ({evidence.citation})"
        yield Problem(INFO, spot, "evidence_due", message)


def _certificates(pack: Pack, today: date, soon: timedelta | None) -> Iterator[Problem]:
    """Yield findings about the age of certificates, which does not affect results."""
    most = timedelta(days=pack.result.certificate_max_age_days)
    for at, product in enumerate(pack.products):
        issued = product.certificate.issued if product.certificate else None
        if issued is None:
            continue
        place = ("products.yaml", at, "certificate")
        if issued + most < today:
            message = f"{product.sku}: the certificate of {issued} is older than {most.days} days"
            yield Problem(WARNING, place, "certificate_old", message)
        elif soon is not None and issued + most <= today + soon:
            message = f"{product.sku}: the certificate of {issued} turns {most.days} days old on {issued + most}"
            yield Problem(INFO, place, "certificate_due", message)

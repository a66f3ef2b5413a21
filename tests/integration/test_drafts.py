"""Drafts: concurrent edits, undo, checks, publishing, and rollback."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.support.drafts import best, draft_of, publish, user, weigh
from tests.support.packs import GOOD, leg_day_files
from tests.support.services import client_of
from widget.actions.content.change_draft import (
    EditConflict,
    IdTaken,
    NothingToUndo,
    open_draft,
    put_record,
    undo_change,
)
from widget.actions.content.check_draft import (
    CHECK_DONE,
    CHECK_WAITING,
    check_waiting_drafts,
    ensure_report,
    fresh_report,
    keep_report,
)
from widget.actions.content.publish_content import NotPublishable
from widget.actions.content.publish_draft import (
    ApprovalRequired,
    DraftMoved,
    agree_to_publish,
    plan_publish,
    publish_due,
    roll_back,
)
from widget.content.editing import (
    MAPPING,
    QUESTION,
    RECORD_KINDS,
    SINGLE,
    Step,
    apply,
    differences,
    record_hash,
    records_of,
)
from widget.content.reader import read_files
from widget.content.writer import canonical_files
from widget.services import Services
from widget.storage.audit import AuditEntry
from widget.storage.drafts import ScheduledPublish
from widget.storage.shops import Shop
from widget.web.console.content.fields import FIELDS, GROUP, ROWS, Field
from widget.web.console.content.form_data import read_form, shown_value


def weight_of(services: Services, row: str) -> str:
    return str(records_of(draft_of(services).files, MAPPING)[row]["weight"])


# Records ---------------------------------------------------------------------------------------------


def flat(fields: tuple[Field, ...], data: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the form data that a browser submits for an unedited record."""
    sent: dict[str, str] = {}
    for field in fields:
        name, value = f"{prefix}{field.name}", data.get(field.name)
        if field.kind == GROUP:
            sent |= flat(field.of, value or {}, f"{name}.")
        elif field.kind == ROWS:
            for at, row in enumerate(value or []):
                sent |= {**flat(field.of, row, f"{name}.{at}."), f"{name}.{at}.~order": str(at + 1)}
        else:
            sent[name] = shown_value(field, value).replace("\n", "\r\n")
    return sent


@pytest.mark.parametrize("kind", FIELDS)
def test_submitting_an_unedited_form_changes_nothing(kind: str) -> None:
    pack = read_files(leg_day_files(), []).pack
    assert pack is not None
    for name, record in records_of(canonical_files(pack, leg_day_files()), kind).items():
        assert read_form(kind, flat(FIELDS[kind], record), record) == record, name


@pytest.mark.parametrize("kind", [kind for kind in RECORD_KINDS if kind not in SINGLE])
def test_each_record_can_be_removed_and_restored_in_place(kind: str) -> None:
    accepted = (
        "accepted:\n- {rule: wellness, key: tips.massage.body, of: a1b2c3d4, by: Anna, reason: It names a feel}\n"
    )
    files = {**leg_day_files(), "claims.yaml": accepted}
    some = list(records_of(files, kind).items())[:4]
    assert some, "the shipped pack has no record of this kind: the loop would test nothing"
    for name, record in some:
        order = list(records_of(files, kind))
        before = order[order.index(name) - 1] if order.index(name) else ""
        gone = apply(files, [Step(kind, name, record, None)])
        back = apply(gone, [Step(kind, name, None, record, follows=before)])

        assert name not in records_of(gone, kind)
        assert list(records_of(back, kind).items()) == list(records_of(files, kind).items())


def test_differences_list_changed_records_including_moves() -> None:
    files = leg_day_files()
    questions = records_of(files, QUESTION)
    moved = apply(files, [Step(QUESTION, "scent", questions["scent"], questions["scent"], follows="area")])

    assert (QUESTION, "scent") in [(step.kind, step.record) for step in differences(files, moved)]
    assert differences(files, files) == []


# Concurrent edits ------------------------------------------------------------------------------------


def test_concurrent_edits_of_two_rows_are_both_kept(services: Services) -> None:
    anna, ben = user(services, "anna"), user(services, "ben")
    seen_by_both = draft_of(services)
    weigh(services, anna, "rub-in-cream", "31", draft=seen_by_both)
    weigh(services, ben, "rub-in-salve", "11", draft=seen_by_both)

    assert (weight_of(services, "rub-in-cream"), weight_of(services, "rub-in-salve")) == ("31", "11")


def test_concurrent_edits_of_one_row_conflict_and_overwrite_nothing(services: Services) -> None:
    anna, ben = user(services, "anna"), user(services, "ben")
    seen_by_both = draft_of(services)
    weigh(services, anna, "rub-in-cream", "31", draft=seen_by_both)
    # Ben's page still shows the old row; the draft is read again when he saves.
    record = records_of(seen_by_both.files, MAPPING)["rub-in-cream"]
    mine = {"seen": record_hash(record), "after": {**record, "weight": "7"}, "what": ""}
    with pytest.raises(EditConflict) as told:
        put_record(services, draft=draft_of(services), by=ben, kind=MAPPING, record="rub-in-cream", **mine)

    assert told.value.by == "Anna"
    assert told.value.now is not None
    assert told.value.now["weight"] == "31"
    assert weight_of(services, "rub-in-cream") == "31"


def test_editing_a_row_of_a_stale_draft_conflicts(services: Services) -> None:
    anna = user(services)
    stale = draft_of(services)
    weigh(services, anna, "rub-in-cream", "31", draft=stale)

    with pytest.raises(EditConflict):
        weigh(services, anna, "rub-in-cream", "32", draft=stale)


def test_creating_a_record_with_a_taken_id_fails(services: Services) -> None:
    record = records_of(draft_of(services).files, MAPPING)["rub-in-cream"]
    with pytest.raises(IdTaken):
        put_record(
            services,
            draft=draft_of(services),
            by=user(services),
            kind=MAPPING,
            record="rub-in-cream",
            seen="",
            after=record,
            what="",
        )


def test_undo_reverts_one_change_at_a_time(services: Services) -> None:
    anna = user(services)
    before = records_of(draft_of(services).files, MAPPING)
    weigh(services, anna, "rub-in-cream", "31")
    weigh(services, anna, "rub-in-cream", "32")
    row = records_of(draft_of(services).files, MAPPING)["large-cream"]
    put_record(
        services,
        draft=draft_of(services),
        by=anna,
        kind=MAPPING,
        record="large-cream",
        seen=record_hash(row),
        after=None,
        what="deleted",
    )

    undo_change(services, draft=draft_of(services), by=anna)
    assert list(records_of(draft_of(services).files, MAPPING)) == list(before)
    undo_change(services, draft=draft_of(services), by=anna)
    assert weight_of(services, "rub-in-cream") == "31"
    undo_change(services, draft=draft_of(services), by=anna)
    assert records_of(draft_of(services).files, MAPPING) == before
    with pytest.raises(NothingToUndo):
        undo_change(services, draft=draft_of(services), by=anna)


def test_every_draft_change_is_in_the_audit_log_with_its_author(services: Services) -> None:
    weigh(services, user(services), "rub-in-cream", "31")
    with services.reads() as session:
        row = session.scalars(select(AuditEntry).where(AuditEntry.action == "draft_changed")).one()

    assert (row.actor, row.detail) == ("Anna", "leg-day: row rub-in-cream: weight 30 → 31")


# Checks ----------------------------------------------------------------------------------------------


def test_draft_report_names_the_record_and_the_field_of_a_finding(services: Services) -> None:
    anna = user(services)
    draft = draft_of(services)
    record = records_of(draft.files, MAPPING)["rub-in-cream"]
    after = {**record, "when": "area = calfs", "reason": "Relieves pain at once."}
    put_record(
        services,
        draft=draft,
        by=anna,
        kind=MAPPING,
        record="rub-in-cream",
        seen=record_hash(record),
        after=after,
        what="",
    )
    report = ensure_report(services, draft_of(services)).report
    unknown = next(item for item in report["findings"] if item["code"] == "unknown_option")

    assert (unknown["record"], unknown["field"], unknown["suggestion"]) == ("rub-in-cream", "when", "calves")
    assert report["errors"] >= 1
    assert report["impact"] is None


def test_draft_impact_counts_paths_and_real_responses(services: Services) -> None:
    web = client_of(services)
    for _ in range(3):
        web.post("/v1/shops/demo/quizzes/leg-day/responses", json={"answers": {**GOOD, "apply": ["rub-in"]}})
    services.recorder.flush()
    weigh(services, user(services), "rub-in-salve", "90")
    report = ensure_report(services, draft_of(services)).report

    assert report["answers"] == 3
    assert report["row_answers"]["rub-in-salve"] == 3
    assert report["impact"]["responses_changed"] == 3
    assert 0 < report["impact"]["changed"] < report["impact"]["paths"]
    assert report["impact"]["causes"][0] == ["rub-in-salve", 3]
    assert report["impact"]["away_from_doctor"] == 0


def test_draft_report_is_valid_for_one_revision_only(services: Services) -> None:
    ensure_report(services, draft_of(services))
    assert fresh_report(services, draft_of(services)) is not None
    weigh(services, user(services), "rub-in-cream", "31")

    assert fresh_report(services, draft_of(services)) is None


def test_draft_of_a_large_quiz_is_checked_by_a_worker(services: Services) -> None:
    keep_report(services, draft_of(services), CHECK_WAITING, {})
    assert check_waiting_drafts(services) == 1
    found = fresh_report(services, draft_of(services))

    assert found is not None
    assert found.state == CHECK_DONE
    assert found.report["paths"]["exact"]
    assert check_waiting_drafts(services) == 0


# Publishing ------------------------------------------------------------------------------------------


def test_shoppers_see_the_published_version_and_the_rollback(services: Services) -> None:
    anna = user(services)
    assert best(services) == "cream"
    weigh(services, anna, "rub-in-salve", "95")
    assert best(services) == "cream"  # Shoppers never see a draft.
    number = publish(services, anna)
    assert (number, best(services)) == (2, "salve")
    assert differences(open_draft(services, shop="demo", quiz="leg-day").base, draft_of(services).files) == []
    assert roll_back(services, shop="demo", quiz="leg-day", number=1, by=anna)

    assert best(services) == "cream"
    assert not roll_back(services, shop="demo", quiz="leg-day", number=1, by=anna)


def test_draft_changed_since_it_was_reviewed_is_not_published(services: Services) -> None:
    anna = user(services)
    seen = draft_of(services).revision
    weigh(services, anna, "rub-in-salve", "95")
    with pytest.raises(DraftMoved):
        publish(services, anna, revision=seen)

    assert best(services) == "cream"


def test_draft_with_a_forbidden_claim_is_not_published(services: Services) -> None:
    anna = user(services)
    draft = draft_of(services)
    record = records_of(draft.files, MAPPING)["rub-in-cream"]
    after = {**record, "reason": "This cream cures arthritis and relieves pain."}
    put_record(
        services,
        draft=draft,
        by=anna,
        kind=MAPPING,
        record="rub-in-cream",
        seen=record_hash(record),
        after=after,
        what="",
    )
    with pytest.raises(NotPublishable):
        publish(services, anna)

    assert open_draft(services, shop="demo", quiz="leg-day").live == 1


def test_publishing_with_approval_required_needs_a_second_user(services: Services) -> None:
    anna, ben = user(services, "anna"), user(services, "ben")
    with services.sessions.begin() as session:
        session.scalars(select(Shop).where(Shop.slug == "demo")).one().approval = True
    weigh(services, anna, "rub-in-salve", "95")
    with pytest.raises(ApprovalRequired):
        publish(services, anna)
    plan_publish(
        services,
        shop="demo",
        quiz="leg-day",
        by=anna,
        note="",
        revision=draft_of(services).revision,
        approver_id=ben.id,
    )
    with services.reads() as session:
        planned = session.scalars(select(ScheduledPublish)).one()
    with pytest.raises(ApprovalRequired):
        agree_to_publish(services, shop="demo", scheduled_id=planned.id, by=anna)
    assert best(services) == "cream"

    assert agree_to_publish(services, shop="demo", scheduled_id=planned.id, by=ben) == 2
    assert best(services) == "salve"


def test_scheduled_publish_goes_live_at_its_time_and_once(services: Services) -> None:
    anna = user(services)
    weigh(services, anna, "rub-in-salve", "95")
    at = services.now() + timedelta(hours=2)
    plan_publish(
        services, shop="demo", quiz="leg-day", by=anna, note="", revision=draft_of(services).revision, due_at=at
    )
    assert publish_due(services) == 0
    services.clock.move_to(at + timedelta(minutes=1))

    assert publish_due(services) == 1
    assert best(services) == "salve"
    assert publish_due(services) == 0


def test_scheduled_publish_whose_checks_fail_records_the_reason(services: Services) -> None:
    anna = user(services)
    weigh(services, anna, "rub-in-salve", "95")
    at = services.now() + timedelta(days=1)
    plan_publish(
        services, shop="demo", quiz="leg-day", by=anna, note="", revision=draft_of(services).revision, due_at=at
    )
    services.clock.move_to(services.now() + timedelta(days=2000))  # By then the evidence is due for review.
    publish_due(services)
    with services.reads() as session:
        planned = session.scalars(select(ScheduledPublish)).one()

    assert planned.state == "failed"
    assert "error" in planned.reason
    assert open_draft(services, shop="demo", quiz="leg-day").live == 1


def test_a_process_checks_one_draft_at_a_time(sqlite_services: Services) -> None:
    with sqlite_services.checking:
        meanwhile = ensure_report(sqlite_services, draft_of(sqlite_services))

    assert meanwhile.state == "running"
    assert fresh_report(sqlite_services, draft_of(sqlite_services)) is None
    assert ensure_report(sqlite_services, draft_of(sqlite_services)).state == CHECK_DONE


def test_worker_that_dies_while_publishing_publishes_once_on_retry(
    sqlite_services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, anna = sqlite_services, user(sqlite_services)
    weigh(services, anna, "rub-in-salve", "95")
    at = services.now() + timedelta(hours=2)
    plan_publish(
        services, shop="demo", quiz="leg-day", by=anna, note="", revision=draft_of(services).revision, due_at=at
    )
    services.clock.move_to(at + timedelta(minutes=1))
    with monkeypatch.context() as patched:
        patched.setattr(
            "widget.actions.content.publish_draft._note", lambda *args, **more: (_ for _ in ()).throw(SystemExit)
        )
        with pytest.raises(SystemExit):
            publish_due(services)
    publish_due(services)
    with services.reads() as session:
        planned = session.scalars(select(ScheduledPublish)).one()
        items_ = list(session.scalars(select(AuditEntry).where(AuditEntry.action == "published")))

    assert planned.state == "done"
    assert len(items_) == 1
    assert best(services) == "salve"

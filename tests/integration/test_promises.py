"""Promises that are easy to break unseen: each was broken once, or nearly."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import GOOD, client_of, leg_day_files, publish_files
from tests.integration.test_chain import EMAIL, go_to, hook, letters, rows, sent
from widget.actions.change_consent import choose, confirm_consent, erase
from widget.actions.handle_hooks import handle_hooks
from widget.actions.purge_expired import purge_expired
from widget.actions.request_letter import request_letter
from widget.actions.send_letter import send_due_letters
from widget.actions.submit_answers import record_response, submit_answers
from widget.parts import Parts
from widget.storage.contacts import Consent, Contact
from widget.storage.hooks import Hook
from widget.storage.letters import Letter
from widget.storage.orders import Order


def ask(parts: Parts, **consents: bool) -> str:
    """Ask for a result by letter; its code."""
    served, known = submit_answers(parts, shop="demo", quiz="leg-day", answers=GOOD)
    code = str(json.loads(known.body)["code"])
    wanted = {"result": True, **consents}
    request_letter(parts, served=served, code=code, email=EMAIL, consents=wanted, text_version="1")
    return code


def visit(parts: Parts) -> str:
    served, known = submit_answers(parts, shop="demo", quiz="leg-day", answers=GOOD)
    token = record_response(parts, served, known, None)
    parts.recorder.flush()
    return token


def with_rule(when: str) -> dict[str, str]:
    """The shipped pack with one more red flag."""
    files = leg_day_files()
    rule = f"triage:\n  - {{id: new-rule, when: {when}, outcome: see_doctor, advice: {{title: Stop, body: Ask.}}}}\n"
    return {**files, "safety.yaml": files["safety.yaml"].replace("triage:\n", rule, 1)}


def test_erased_stays_erased(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    erase(parts, "p", parts.seals.token("p", rows(parts, Contact)[0].id))
    hook(parts, "order.delivered", days=1)
    hook(parts, order="later")
    handle_hooks(parts)

    assert rows(parts, Contact)[0].email == ""
    assert [row.contact_id for row in rows(parts, Order)] == [None, None]
    assert all(row.body == b"" for row in rows(parts, Hook))
    assert send_due_letters(parts) == 0


def test_an_address_no_carrier_takes_holds_up_nobody(parts: Parts) -> None:
    hook(parts, order="1", email="josé@shop.example")
    hook(parts, order="2")
    handle_hooks(parts)
    go_to(parts, "how-to-use")
    send_due_letters(parts)

    assert len(sent(parts)) == 1


def test_a_letter_that_cannot_be_written_is_told_and_holds_up_nobody(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    from widget.actions import send_letter as sending

    hook(parts, order="1")
    hook(parts, order="2", email="other@shop.example")
    handle_hooks(parts)
    go_to(parts, "how-to-use")
    write = sending.compose_letter
    broken = min(row.id for row in rows(parts, Letter) if row.letter == "how-to-use")

    def sometimes(parts: Parts, served: Any, letter: Letter, order: Any) -> Any:
        if letter.id == broken:
            raise ZeroDivisionError
        return write(parts, served, letter, order)

    monkeypatch.setattr(sending, "compose_letter", sometimes)
    send_due_letters(parts)
    states = {row.id: (row.state, row.reason) for row in rows(parts, Letter) if row.letter == "how-to-use"}

    assert states[broken] == ("skipped", "cannot_write: ZeroDivisionError")
    assert len(sent(parts)) == 1


def test_one_odd_order_holds_up_no_other(parts: Parts) -> None:
    hook(parts, order="1", total="30000000.00")
    hook(parts, order="字" * 1000)
    hook(parts, order="3", total=10**12 * 100)
    hook(parts, order="4")
    handle_hooks(parts)

    assert {row.external_id for row in rows(parts, Order)} == {"1", "4"}
    assert sorted(row.state for row in rows(parts, Hook)) == ["done", "done", "failed", "failed"]


def test_saving_no_on_the_preference_page_counts_against_the_order(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    choose(parts, "p", parts.seals.token("p", rows(parts, Contact)[0].id), set())
    go_to(parts, "how-to-use")
    send_due_letters(parts)

    assert letters(parts)["how-to-use"].reason == "unsubscribed"


def test_a_strangers_tick_takes_nothing_from_a_customer(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    ask(parts, marketing=True)
    go_to(parts, "how-to-use")
    send_due_letters(parts)

    assert letters(parts)["how-to-use"].state == "sent"


def test_a_visit_nobody_knows_may_have_been_a_red_flag(parts: Parts) -> None:
    hook(parts, attributes={"recovery_quiz": "unknown-visit"})
    handle_hooks(parts)

    assert rows(parts, Order)[0].eligible is False


def test_todays_safety_counts_for_answers_of_yesterday(parts: Parts) -> None:
    token = visit(parts)
    publish_files(parts, with_rule("area = calves"))
    hook(parts, attributes={"recovery_quiz": token})
    handle_hooks(parts)

    assert rows(parts, Order)[0].eligible is False


def test_a_waiting_letter_written_from_answers_obeys_a_new_rule(parts: Parts) -> None:
    token = visit(parts)
    ask(parts, health_data=True, marketing=True)
    confirm_consent(parts, "c", parts.seals.token("c", rows(parts, Contact)[0].id))
    hook(parts, attributes={"recovery_quiz": token})
    handle_hooks(parts)
    assert letters(parts)["how-to-use"].result_code
    publish_files(parts, with_rule("area = calves"))
    go_to(parts, "how-to-use")
    send_due_letters(parts)

    assert letters(parts)["how-to-use"].reason == "not_eligible"


def test_without_consent_no_answers_are_kept_with_an_order(parts: Parts) -> None:
    hook(parts, attributes={"recovery_quiz": visit(parts)})
    handle_hooks(parts)

    assert {row.result_code for row in rows(parts, Letter)} == {""}
    assert [row.body for row in rows(parts, Hook)] == [b""]


def test_a_product_gone_from_the_live_pack_is_in_no_letter(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    files = {name: text.replace("ROLL-75", "ROLL-76") for name, text in leg_day_files().items()}
    publish_files(parts, files)
    go_to(parts, "how-to-use")
    send_due_letters(parts)

    assert letters(parts)["how-to-use"].reason == "product_withheld"


def test_a_person_gets_one_promoting_letter_at_a_time(parts: Parts) -> None:
    for number in range(4):
        hook(parts, order=str(number))
    handle_hooks(parts)
    parts.clock.move_to(max(row.due_at for row in rows(parts, Letter) if row.letter == "how-to-use"))
    threads = [threading.Thread(target=send_due_letters, args=(parts,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    send_due_letters(parts)
    states = [(row.state, row.reason) for row in rows(parts, Letter) if row.letter == "how-to-use"]

    assert len(sent(parts)) == 1
    assert sorted(state for state, _ in states) == ["planned", "planned", "planned", "sent"]
    assert sum("one_letter_at_a_time" in reason for _, reason in states) == 3


def test_a_sent_result_letter_keeps_no_answers_and_can_be_asked_for_again(parts: Parts) -> None:
    code = ask(parts)
    assert letters(parts)["result"].result_code == code
    send_due_letters(parts)
    assert letters(parts)["result"].result_code == ""
    ask(parts)
    send_due_letters(parts)

    assert len(sent(parts)) == 2


def test_only_what_was_ticked_is_confirmed(parts: Parts) -> None:
    ask(parts, health_data=True, marketing=True)
    token = parts.seals.token("c", rows(parts, Contact)[0].id)
    web = client_of(parts)

    assert "checked" not in web.get(f"/c/{token}").get_data(as_text=True)
    web.post(f"/c/{token}", data={"boxes": "1", "consent": "marketing"})
    states = {row.kind: row.state for row in rows(parts, Consent)}
    assert states == {"result": "granted", "marketing": "granted", "health_data": "pending"}
    assert web.post(f"/p/{parts.seals.token('p', rows(parts, Contact)[0].id)}", data={"do": "x"}).status_code == 422


def test_health_data_alone_is_asked_to_be_confirmed_too(parts: Parts) -> None:
    ask(parts, health_data=True)
    send_due_letters(parts)

    assert any("confirm" in subject.lower() for subject in sent(parts))


def test_later_hooks_keep_to_the_content_an_order_began_with(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    files = leg_day_files()
    renamed = files["letters/sequences.yaml"].replace("id: after-purchase", "id: after-buying")
    publish_files(parts, {**files, "letters/sequences.yaml": renamed})
    hook(parts, "order.delivered", days=1)
    handle_hooks(parts)

    assert len(rows(parts, Letter)) == 4


def test_a_paid_order_whose_placing_was_never_told_gets_its_letters(parts: Parts) -> None:
    hook(parts, "order.paid")
    handle_hooks(parts)

    assert "how-to-use" in letters(parts)


def test_old_failed_hooks_are_forgotten_too(parts: Parts) -> None:
    hook(parts, body=b"{}")
    handle_hooks(parts)
    parts.clock.move_to(parts.now() + timedelta(days=31))
    purge_expired(parts)

    assert rows(parts, Hook) == []


def test_an_escaped_address_in_a_failed_hook_is_erased_with_the_rest(parts: Parts) -> None:
    hook(parts)
    hook(parts, body=b'{"email": "runner\\u0040shop.example"}')
    handle_hooks(parts)
    erase(parts, "p", parts.seals.token("p", rows(parts, Contact)[0].id))

    assert [row.body for row in rows(parts, Hook)] == [b"", b""]


def test_withholding_a_product_nobody_has_is_an_error(parts: Parts) -> None:
    from widget.actions.change_product import BadProduct, change_product

    with pytest.raises(BadProduct):
        change_product(parts, shop="demo", sku="SPRAY-999", blocked=True, reason="recall")


def test_links_of_someone_erased_lead_nowhere(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    contact = rows(parts, Contact)[0].id
    erase(parts, "p", parts.seals.token("p", contact))
    web = client_of(parts)

    assert web.get(f"/p/{parts.seals.token('p', contact)}").status_code == 404
    assert web.post(f"/p/{parts.seals.token('p', contact)}", data={"do": "choose"}).status_code == 404
    assert web.post(f"/u/{parts.seals.token('u', contact)}").status_code == 200

"""The SMTP transport against a real SMTP server: accepted, refused, interrupted, and signed messages."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.email_frame import message_with
from tests.support.services import free_port
from widget.email.content import Written
from widget.email.dkim import DkimSigner, relaxed_body, relaxed_field
from widget.email.message import POLICY, wire_address
from widget.email.transport import PermanentFailure, SmtpTransport, TemporaryFailure, UnknownOutcome, own_name

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Sink:
    """An SMTP handler that stores messages; ``data`` gives the reply to DATA, ``to`` the reply to RCPT."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.sessions: set[int] = set()
        self.data: Callable[[str], str] = lambda recipient: "250 OK"
        self.to: Callable[[str], str] = lambda recipient: "250 OK"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd requires this name.
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        answer = self.to(address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # Likewise.
        answer = self.data(envelope.rcpt_tos[0])
        if answer == "cut":
            server.transport.abort()
            return "250 never heard"
        self.sessions.add(id(session))
        if answer.startswith("250"):
            self.taken.append((envelope.rcpt_tos[0], envelope.original_content))
        return answer


class PipeliningSink(Sink):
    """A server that allows several commands at once."""

    async def handle_EHLO(  # noqa: N802  # aiosmtpd requires this name.
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]


@pytest.fixture(params=[Sink, PipeliningSink])
def sink(request: pytest.FixtureRequest) -> Iterator[tuple[Sink, Controller]]:
    handler = request.param()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield handler, controller
    while OPENED:
        OPENED.pop().close()
    if controller.server is not None:
        controller.stop()


OPENED: list[SmtpTransport] = []


def transport_to(controller: Controller, sign: Any = None) -> SmtpTransport:
    OPENED.append(SmtpTransport(f"smtp://127.0.0.1:{controller.port}", "hello@shop.example", sign))
    return OPENED[-1]


def message(text: str = "Walk a little.\n\n  Then rest.  \n\n\n") -> bytes:
    email = EmailMessage(policy=POLICY)
    email["From"], email["To"], email["Subject"] = "hello@shop.example", "a@shop.example", "Für  die Beine"
    email["Message-ID"], email["List-Unsubscribe"] = "<1@shop.example>", "<https://quiz.example/u/x>"
    email.set_content(text, cte="quoted-printable")
    return email.as_bytes()


def written(subject: str, link: str = "https://quiz.example/u/x") -> bytes:
    return message_with(Written(subject, "<p>x</p>", "x"), sender_name="Beine & Ärzte", unsubscribe_url=link)


def test_smtp_connection_is_reused_for_many_messages(sink: tuple[Sink, Controller]) -> None:
    provider = transport_to(sink[1])
    for _ in range(5):
        provider.send(message(), "a@shop.example")

    assert len(sink[0].taken) == 5
    assert len(sink[0].sessions) == 1


@pytest.mark.parametrize(
    ("answer", "error", "outcome"),
    [
        ("421 4.7.0 try again later", TemporaryFailure, "421 4.7.0"),
        ("452 4.2.2 a@shop.example is over quota", TemporaryFailure, "452 4.2.2"),
        ("550 5.1.1 a@shop.example unknown", PermanentFailure, "550 5.1.1"),
        ("554 5.7.1 spam", PermanentFailure, "554 5.7.1"),
    ],
)
@pytest.mark.parametrize("step", ["to", "data"])
def test_smtp_refusal_is_temporary_or_permanent_and_its_error_omits_the_address(
    sink: tuple[Sink, Controller], step: str, answer: str, error: type[Exception], outcome: str
) -> None:
    setattr(sink[0], step, lambda recipient: answer)

    with pytest.raises(error) as raised:
        transport_to(sink[1]).send(message(), "a@shop.example")

    assert str(raised.value) == outcome


def test_smtp_connection_is_reused_after_a_refusal(sink: tuple[Sink, Controller]) -> None:
    sink[0].to = lambda recipient: "550 5.1.1 unknown" if recipient.startswith("gone") else "250 OK"
    provider = transport_to(sink[1])
    provider.send(message(), "a@shop.example")
    with pytest.raises(PermanentFailure):
        provider.send(message(), "gone@shop.example")
    provider.send(message(), "b@shop.example")

    assert [to for to, _ in sink[0].taken] == ["a@shop.example", "b@shop.example"]
    assert len(sink[0].sessions) == 1


def test_connection_lost_after_the_message_is_an_unknown_outcome(sink: tuple[Sink, Controller]) -> None:
    sink[0].data = lambda recipient: "cut"

    with pytest.raises(UnknownOutcome):
        transport_to(sink[1]).send(message(), "a@shop.example")


def test_dead_idle_connection_is_replaced_without_losing_a_message(sink: tuple[Sink, Controller]) -> None:
    handler, controller = sink
    provider = transport_to(controller)
    provider.send(message(), "a@shop.example")
    provider._idle[0].smtp.sock.shutdown(socket.SHUT_RDWR)
    provider.send(message(), "b@shop.example")

    assert [to for to, _ in handler.taken] == ["a@shop.example", "b@shop.example"]


def test_unreachable_smtp_server_is_a_temporary_failure() -> None:
    with pytest.raises(TemporaryFailure):
        SmtpTransport(f"smtp://127.0.0.1:{free_port()}", "hello@shop.example").send(message(), "a@shop.example")


# DKIM, verified as a receiver does (RFC 6376, 6.1) ------------------------------------------------------


def checked_signature(raw: bytes) -> dict[str, str]:
    """Verify the signature of a message and return its tags. Raises InvalidSignature."""
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = re.sub(rb"\r\n(?=[ \t])", b"", head).split(b"\r\n")
    signature = next(field for field in fields if field.lower().startswith(b"dkim-signature:"))
    plain = signature.partition(b":")[2].decode()
    tags = {name.strip(): re.sub(r"\s", "", value) for name, _, value in (t.partition("=") for t in plain.split(";"))}
    if base64.b64decode(tags["bh"]) != hashlib.sha256(relaxed_body(body)).digest():
        raise InvalidSignature
    left, lines = list(fields), []
    for name in tags["h"].split(":"):
        found = next(item for item in reversed(left) if item.partition(b":")[0].decode().strip().lower() == name)
        left.remove(found)
        lines.append(relaxed_field(found) + b"\r\n")
    emptied = re.sub(rb"(;\s*b=).*$", rb"\1", signature, flags=re.DOTALL)
    KEY.public_key().verify(base64.b64decode(tags["b"]), b"".join(lines) + relaxed_field(emptied), PKCS1v15(), SHA256())
    return tags


def test_received_message_has_a_valid_dkim_signature(sink: tuple[Sink, Controller]) -> None:
    signer = DkimSigner(PEM, domain="shop.example", selector="rq1")
    transport_to(sink[1], signer).send(message(), "a@shop.example")
    tags = checked_signature(sink[0].taken[0][1])

    assert (tags["d"], tags["s"], tags["a"], tags["c"]) == ("shop.example", "rq1", "rsa-sha256", "relaxed/relaxed")
    assert {"from", "subject", "message-id", "list-unsubscribe"} <= set(tags["h"].split(":"))


def test_changed_body_or_unsubscribe_header_invalidates_the_dkim_signature() -> None:
    raw = DkimSigner(PEM, domain="shop.example", selector="rq1")(message())
    with pytest.raises(InvalidSignature):
        checked_signature(raw.replace(b"Walk", b"Talk"))
    with pytest.raises(InvalidSignature):
        checked_signature(raw.replace(b"/u/x>", b"/u/y>"))


def test_dkim_canonicalization_matches_the_examples_of_the_rfc() -> None:
    """The examples are those of RFC 6376, 3.4.5."""
    assert relaxed_field(b"A: X") == b"a:X"
    assert relaxed_field(b"B : Y\t\r\n\tZ  ") == b"b:Y Z"
    assert relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"


def test_unusable_dkim_key_is_refused() -> None:
    with pytest.raises(ValueError, match=r"PEM|deserialize|Unable|key"):
        DkimSigner(b"no key", domain="shop.example", selector="rq1")


@pytest.mark.parametrize(
    "subject", ["تدليك الساقين بعد يوم طويل من التمارين الشاقة على السلالم", "Ein " * 40, "x" * 200]
)
def test_non_ascii_and_long_subjects_keep_to_the_line_limits_of_email(subject: str) -> None:
    head = written(subject).split(b"\r\n\r\n")[0]

    assert all(len(match) <= 75 for match in re.findall(rb"=\?[^ ]+\?=", head))
    assert all(len(line) <= 998 for line in head.split(b"\r\n"))
    assert message_from_bytes(head, policy=POLICY)["Subject"] == subject.strip()


def test_long_list_unsubscribe_header_stays_on_one_line() -> None:
    link = f"https://quiz.example/u/{'x' * 120}"

    assert f"List-Unsubscribe: <{link}>\r\n".encode() in written("Hello", link)


def test_non_ascii_local_part_is_a_permanent_failure_and_idn_domain_is_sent(sink: tuple[Sink, Controller]) -> None:
    with pytest.raises(PermanentFailure):
        transport_to(sink[1]).send(message(), "jösé@shop.example")
    transport_to(sink[1]).send(message(), "jon@bücher.example")

    assert sink[0].taken[0][0] == "jon@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("email", "wire"),
    [
        ("x@straße.example", "x@xn--strae-oqa.example"),
        ("x@faß.example", "x@xn--fa-hia.example"),
        ("x@βόλος.example", "x@xn--nxasmm1c.example"),
        ("jon@bücher.example", "jon@xn--bcher-kva.example"),
        ("plain@shop.example", "plain@shop.example"),
    ],
)
def test_non_ascii_domain_is_encoded_by_idna_2008(email: str, wire: str) -> None:
    """IDNA 2008 (RFC 5891): under the older rules, email for straße was sent to strasse."""
    assert wire_address(email) == wire


def test_mail_server_is_greeted_without_asking_dns_for_our_own_name(
    sink: tuple[Sink, Controller], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dead DNS the question takes 20 seconds, while an email stands in ``sending``."""
    asking: list[threading.Thread] = []
    monkeypatch.setattr("socket.getfqdn", lambda *_: asking.append(threading.current_thread()) or "sink.example")
    transport_to(sink[1]).send(message(), "a@shop.example")

    assert threading.current_thread() not in asking  # The server of this test asks in a thread of its own.


@pytest.mark.parametrize(("host", "name"), [("mail1.store.example", "mail1.store.example"), ("6f3c2a", "quiz.example")])
def test_greeting_is_a_whole_name(monkeypatch: pytest.MonkeyPatch, host: str, name: str) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)

    assert own_name("hello@quiz.example") == name

"""A common way to send emails: a Celery task with a countdown for each, acknowledged late.

It shows that the kill test can fail.
"""

from __future__ import annotations

import os
import smtplib
import time
from email.message import EmailMessage

from celery import Celery

app = Celery("naive", broker=os.environ["NAIVE_BROKER"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 3},
)


@app.task(name="send_one")  # type: ignore[untyped-decorator]
def send_one(number: int) -> None:
    message = EmailMessage()
    message["Message-ID"], message["Subject"] = f"<naive-{number}@shop.example>", "How to use it"
    message["From"], message["To"] = "hello@shop.example", f"person{number}@shop.example"
    message.set_content("Rub it in.\n")
    with smtplib.SMTP("127.0.0.1", int(os.environ["NAIVE_PORT"])) as line:
        try:
            line.send_message(message)
        except smtplib.SMTPResponseException as error:
            raise send_one.retry(countdown=1, max_retries=5) from error
    time.sleep(0.01)  # A kill before the worker acknowledges the task causes a second email.

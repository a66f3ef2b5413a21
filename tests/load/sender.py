"""A worker process for tests that sends due emails in a loop, as the periodic tasks do, until it is killed."""

from __future__ import annotations

import time

from widget.actions.emails.send_email import send_due_emails
from widget.services import build_services
from widget.settings import read_settings


def main() -> None:
    services = build_services(read_settings(default_env="local"))
    while True:
        send_due_emails(services, seconds=1.0)
        time.sleep(0.05)


if __name__ == "__main__":
    main()

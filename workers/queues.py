"""The queues, their tasks, and the time limits of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WEBHOOKS = "webhooks"


@dataclass(frozen=True, slots=True)
class QueueOfTasks:
    """The tasks of a queue, and how many seconds one may run.

    At ``soft`` it is told to stop, at ``hard`` it is killed.
    """

    tasks: tuple[str, ...]
    soft: int
    hard: int


QUEUES: Mapping[str, QueueOfTasks] = {
    WEBHOOKS: QueueOfTasks(("process_webhooks", "collect_bounces"), 120, 150),
    "emails": QueueOfTasks(("send_emails", "send_outbox", "rescue_emails"), 300, 330),
    "catalog": QueueOfTasks(("import_feeds", "reconcile_orders"), 600, 660),
    "content": QueueOfTasks(("check_drafts", "publish_due"), 600, 660),
    "maintenance": QueueOfTasks(("purge_expired", "carry_out_privacy"), 600, 660),
}
OTHERS = tuple(name for name in QUEUES if name != WEBHOOKS)
"""The queues of the second worker: whatever runs there, a webhook never waits for it."""
ALONE = frozenset(
    {"collect_bounces", "rescue_emails", "import_feeds", "reconcile_orders", "check_drafts", "publish_due"}
    | {"purge_expired", "carry_out_privacy"}
)
"""Tasks of which one runs at a time on all hosts. The others share out their rows and gain from several at once."""


def routes() -> dict[str, dict[str, str]]:
    """Return Celery's ``task_routes``."""
    return {task: {"queue": name} for name, queue in QUEUES.items() for task in queue.tasks}


def limits() -> dict[str, dict[str, int]]:
    """Return Celery's ``task_annotations``: the time limits of each task."""
    return {
        task: {"soft_time_limit": queue.soft, "time_limit": queue.hard}
        for queue in QUEUES.values()
        for task in queue.tasks
    }

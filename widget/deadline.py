"""Detection of a task's time limit, for code that does not depend on Celery."""

from __future__ import annotations


def is_time_limit(error: BaseException) -> bool:
    """Return whether the task hit its soft time limit: the current item is not at fault, and the task should end."""
    return type(error).__name__ == "SoftTimeLimitExceeded"

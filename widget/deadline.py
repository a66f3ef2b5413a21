"""The time limit of a task, for code that knows nothing of the queue it runs in."""

from __future__ import annotations


def is_time_limit(error: BaseException) -> bool:
    """Whether the task was told that its time is over: then what it is at is not to blame, and it should end."""
    return type(error).__name__ == "SoftTimeLimitExceeded"

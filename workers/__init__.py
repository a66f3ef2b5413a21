"""The clock and the queue: the only code that knows Celery. A task is a name and one call of an action."""

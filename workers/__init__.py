"""The Celery app and its tasks: the only code that imports Celery. A task calls one action."""

"""The entry point of Celery's programs: the app with its tasks."""

from importlib import import_module

from widget.imports import quick_imports

with quick_imports():
    from workers.app import app
    from workers.queues import QUEUES

    for _name in QUEUES:
        import_module(f"workers.tasks.{_name}")

__all__ = ["app"]

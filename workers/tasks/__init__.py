"""Celery tasks, one module for each queue; each task runs one action with the services of its process."""

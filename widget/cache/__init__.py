"""Caches: in-process and Redis. Either may be empty or gone at any moment."""

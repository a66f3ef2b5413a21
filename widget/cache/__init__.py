"""Caches: in-process and Redis. Either may be empty or unavailable at any moment."""

"""Manage consent, preferences, data exports, and erasure."""

"""Consent, preferences, exports, and erasure."""

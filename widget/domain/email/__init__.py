"""Sequences, schedules, the policy of sending, and reports on sent emails."""

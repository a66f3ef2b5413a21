"""Email sequences, schedules, the send policy, and email events."""

"""The demo store with sample traffic, a local mailbox, and a movable clock; in local mode only."""

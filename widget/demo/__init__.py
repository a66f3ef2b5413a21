"""The demo store, its traffic, its mailbox, and its movable clock; in local mode only."""

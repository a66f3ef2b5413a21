"""Receive, process, and replay webhook deliveries of stores and email providers."""

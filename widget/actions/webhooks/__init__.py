"""Receive, process, and replay inbound deliveries of stores and email providers."""

"""Manage shops, their settings, and their connections to store platforms and email providers."""

"""Shops, their settings, and their connections to stores and email providers."""

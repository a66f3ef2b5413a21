"""Serve a quiz, evaluate answers, and count storefront events."""

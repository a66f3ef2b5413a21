"""Domain rules for the quiz, mappings, results, emails, and consent.

Pure functions over frozen dataclasses; no I/O, no framework.
"""

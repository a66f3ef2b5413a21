"""The rules: quiz, mapping, result, email, consent. Pure functions over frozen dataclasses; no I/O, no framework."""

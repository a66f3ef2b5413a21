"""The rules: quiz, mapping, result, letter, consent. Pure functions over frozen dataclasses; no I/O, no framework."""

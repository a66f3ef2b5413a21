"""Commands of ``recovery-quiz``."""

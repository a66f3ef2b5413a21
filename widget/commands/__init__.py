"""Commands of ``recovery-quiz``, one module per group."""

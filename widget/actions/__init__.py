"""Use cases: one verb, one file. Actions open transactions and call the adapters; they know nothing of HTTP."""

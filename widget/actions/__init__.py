"""Use cases: one verb, one file. Actions open transactions and call the adapters; they know no HTTP."""

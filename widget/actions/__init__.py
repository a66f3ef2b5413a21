"""What happens: one verb, one file. Actions open transactions and call the means; they know no HTTP."""

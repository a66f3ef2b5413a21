"""The engine: compile a pack to bitsets once, then turn answers into a result in microseconds.

A plain loop would take milliseconds for thousands of rows. Instead, each question caches, for each way it was
answered, the set of clauses that this answer makes false (one Python integer, one bit per clause). Evaluating
an answer set is then one OR per question; the rows that remain are the ones that match.
"""

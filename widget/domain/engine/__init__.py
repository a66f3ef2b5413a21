"""The engine: a pack compiled to bitsets once, then answers turned into a result in microseconds.

A plain loop over rows would cost milliseconds for thousands of rows. Here each question keeps, for each way it
was answered, the set of clauses that this answer makes false (one Python integer, a bit a clause). Evaluating
an answer set is then one OR per question; what is left standing are the rows that match.
"""

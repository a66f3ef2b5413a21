"""Tables and queries. Queries never commit; the code that opened the session does."""

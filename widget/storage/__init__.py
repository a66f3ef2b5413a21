"""Tables and queries. Queries never commit: whoever opened the session does."""

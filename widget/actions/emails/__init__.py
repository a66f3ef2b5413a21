"""Plan, write, and send emails. Every email is stored as a row and sent by a worker."""

"""Plan, write, and send emails; every email leaves through a row and a worker."""

"""What providers report of emails: verified by their signatures, read into one kind of report."""

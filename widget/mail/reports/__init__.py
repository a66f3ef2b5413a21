"""What carriers report of letters: verified by their signatures, read into one kind of report."""

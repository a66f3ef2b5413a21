"""Orders as stores report them, webhook signatures, and attribution to the quiz."""

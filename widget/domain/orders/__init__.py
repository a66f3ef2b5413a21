"""Orders as stores report them, webhook signatures, attribution to the quiz."""

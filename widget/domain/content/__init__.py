"""A pack as a whole, its findings, and the rules on what its texts may claim."""

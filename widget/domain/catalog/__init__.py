"""Products and their variants, rule targets, and links to a store's cart."""

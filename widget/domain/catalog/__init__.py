"""Products and their variants, rule targets, markets, the link into a store's cart."""

"""Record orders, and find those that no webhook announced."""

"""Keep products and feeds of a shop current."""

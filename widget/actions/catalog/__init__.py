"""Keep the products and feeds of a shop up to date."""

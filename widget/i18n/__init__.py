"""Interface strings, plurals, and money, by locale."""

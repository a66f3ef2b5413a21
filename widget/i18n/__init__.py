"""Strings of the interface, plurals, and money, by locale."""

"""Stores: one protocol for signatures, orders and carts; a module a platform."""

"""Store platforms: one protocol for signatures, orders, and carts, with one module for each platform."""

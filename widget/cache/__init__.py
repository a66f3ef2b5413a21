"""Caches: in this process, then Redis. Either may be empty or gone at any moment; nobody may need them."""

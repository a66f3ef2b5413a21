"""Record orders, and reconcile those that no webhook delivered."""

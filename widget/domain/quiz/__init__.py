"""Questions, conditions, paths: what a quiz is, and which answers it asks for."""

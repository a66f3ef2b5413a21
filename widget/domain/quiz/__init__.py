"""Questions, conditions, and answer paths of a quiz."""

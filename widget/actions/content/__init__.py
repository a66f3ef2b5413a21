"""Edit, check, publish, and restore a quiz and its content."""

"""Content packs, findings about them, and rules for the claims their texts may make."""

"""Content packs as files: read, checked, and written. Only this package uses YAML, CSV, and marshmallow for packs."""

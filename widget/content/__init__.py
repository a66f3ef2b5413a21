"""Content packs as files: read, checked, written. The only code that knows YAML, CSV and marshmallow for packs."""

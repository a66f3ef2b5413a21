"""HTTP: with app.py, the only code that imports Flask. Each view parses, calls one action, and responds."""

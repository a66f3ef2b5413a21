"""The doors: with app.py, the only code that knows Flask. Each parses, calls one action, and answers."""

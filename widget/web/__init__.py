"""HTTP layer. Only this package and app.py import Flask. A view parses, calls one action, and responds."""

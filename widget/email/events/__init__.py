"""Email events from providers: verification of their webhooks, and parsing into a common format."""

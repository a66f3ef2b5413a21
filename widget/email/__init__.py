"""Email: transports behind one protocol, and rendering of blocks into HTML and text."""

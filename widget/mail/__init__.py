"""Mail: carriers behind one protocol, and letters turned from blocks into HTML and text."""

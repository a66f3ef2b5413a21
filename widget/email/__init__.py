"""Mail: providers behind one protocol, and emails turned from blocks into HTML and text."""

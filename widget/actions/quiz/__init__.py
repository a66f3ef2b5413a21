"""Answer a quiz: show it, take answers, and count what shoppers do."""

"""What ``recovery-quiz …`` does, a module a group of commands."""

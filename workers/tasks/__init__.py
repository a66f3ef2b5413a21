"""Tasks, one module for each queue; each runs one action with the services of its process."""

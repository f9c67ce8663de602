"""The search of the request log: its line, what that means, and whether one request is meant."""

"""`python -m bench.log`: what the request log costs, and what it costs those that it serves."""

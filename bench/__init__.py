"""Side by side with the standard library: CPU per request of the same handler code."""

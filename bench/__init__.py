"""Side by side with the standard library and its peers: what a request costs each of them."""

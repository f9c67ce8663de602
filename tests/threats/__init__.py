"""The threats: a file for each, with the request that its defence must withstand."""

"""The measured processes: `python -m bench.servers FAMILY WHAT`, one server each, all of them
echoing lines of 32 bytes. One file a family; none knows of the load or of the figures."""

"""Programs over the stdlib's own servers (http.server, xmlrpc, wsgiref, logging), run unchanged.

Each module has `run() -> dict`, what a client of the program saw. Import one only in a process
of its own, through `__main__`: it takes its server classes from whatever `socketserver` is there.
"""

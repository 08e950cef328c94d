"""Services that all visitors share: the worker, runs, studies and image sets, the server, and the address."""

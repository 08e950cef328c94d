"""The arguments of each command, a module a command.

They are read before the libraries that do the work, which take seconds to import: so nothing here imports any.
"""

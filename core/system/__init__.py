"""The operating system's side: opening files, writing them whole, sealed folders, and the terminal."""

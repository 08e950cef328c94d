"""What touches the operating system: opening files, writing them whole, sealed folders, and the terminal."""

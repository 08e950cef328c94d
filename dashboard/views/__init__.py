"""The pages, a script each; the tabs of What it reads are modules beside it."""

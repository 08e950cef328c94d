"""The pages, a folder each: the page itself and the parts that only it uses."""

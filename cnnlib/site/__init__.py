"""What the built pages need: the Sphinx extension, the status page, the time line, the book's address."""

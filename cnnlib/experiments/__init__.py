"""The book's experiments, one a file. `grids.py` declares what is trained and recorded at full scale."""

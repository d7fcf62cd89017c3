"""Recorded runs: what gets recorded (`grids`), how (`recording`), the files (`runs`) and their `tables`."""

"""One process: its loop, its signals."""

"""The engine that keeps events in one SQLite file, on this machine."""

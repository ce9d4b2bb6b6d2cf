"""Sockets: listeners, connections, streams, one timer."""

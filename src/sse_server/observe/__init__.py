"""What is told of a server: metrics and log lines."""

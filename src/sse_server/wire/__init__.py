"""The wire format: events, their `text/event-stream` bytes, and the way back."""

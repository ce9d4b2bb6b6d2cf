"""What the server asks others for: keys, and about sessions. Requests that go out, and files."""

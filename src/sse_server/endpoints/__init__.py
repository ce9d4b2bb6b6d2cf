"""One file per surface: a request goes in, a response or an event stream comes out."""

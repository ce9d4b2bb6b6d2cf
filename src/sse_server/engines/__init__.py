"""Engines: what orders events and keeps them."""

"""The equation core: its laws, its text, its shapes, its regions."""

"""The CPU engine: every kernel held to the reference engine, and what the engine promises."""

"""Receptive and projective fields: which elements depend on which."""

__all__: list[str] = []

"""A page on which a learning step can be looked at, taken apart and changed."""

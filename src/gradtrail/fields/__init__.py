"""Receptive and projective fields: which elements depend on which.

`axis_field.py` is the arithmetic of one axis, size, jump and offset, which the plan prints;
`reach.py` has the exact elements, and `reach_view.py` writes and draws them.
"""

"""Files from outside, damaged on purpose."""

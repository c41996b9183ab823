"""What comes from callers, checked once where it comes in.

calls.py              calls that do not fit a function; networks and paths
arguments.py          numbers and flags
input_samples.py      samples as a network takes them
other_libraries.py    what other libraries call what is here; their layers and losses in
other_names.py
"""

"""Bytes in files: written whole or not at all, read within bounds.

files.py            one way to write a file, to read no more than a limit, to lock, to name errors
row_file.py         a file that grows by whole rows
arrays.py           arrays in safetensors, checked before memory is taken for them
foreign_files.py    what a file is that was given in the wrong place, and what opens it
"""

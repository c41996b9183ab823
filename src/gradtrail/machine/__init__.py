"""What the machine gives: memory, folders, processes that fork, packages that may be missing.

free_memory.py    how much memory the process may still take
folders.py        where a user's own files are
forking.py        what a forked process has to begin anew
pinning.py        arrays whose memory nobody gives back while machine code reads it
packages.py       packages that may be missing
first_use.py      names of a package that are imported at their first use
"""

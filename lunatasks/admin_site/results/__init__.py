"""Results of tasks as their pages show them: a part of each, never a large one as a whole.

Every module reads what it shows within a fixed number of bytes; the download holds the rest.
"""

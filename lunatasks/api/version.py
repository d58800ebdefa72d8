"""The version that `/version` tells; a test compares it with pyproject.toml."""

API_VERSION = 1
VERSION = (1, 0, 0)

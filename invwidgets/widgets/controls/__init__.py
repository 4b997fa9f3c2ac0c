"""The controls of the panel, each of which works alone and has a typed value."""

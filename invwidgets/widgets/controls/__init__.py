"""The controls, each usable alone: a typed value to link and observe."""

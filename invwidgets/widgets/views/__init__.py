"""Views of runs: pictures, classes, curves, history and files."""

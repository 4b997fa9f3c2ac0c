"""What is shown of runs: pictures, classes, curves, history, files."""

"""The panel of a sweep: its runs, its controls and its grid of pictures."""

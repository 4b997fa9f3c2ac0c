"""The panel of a sweep: its run, its controls, its grid of pictures."""

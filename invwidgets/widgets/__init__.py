"""The parts of the package that need a notebook: controls, views, and the panels made of them."""

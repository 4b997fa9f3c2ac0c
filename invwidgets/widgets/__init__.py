"""Everything that needs a notebook: controls, views, and the panels made of them."""

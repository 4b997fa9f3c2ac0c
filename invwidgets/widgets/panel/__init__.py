"""The inversion panel in four parts: state, update, effects and view."""

"""The inversion panel: state, update, effects, view."""

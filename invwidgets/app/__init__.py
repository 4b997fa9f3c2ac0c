"""The web page of the panel, which ``invwidgets app`` serves with Voila."""

"""The panel as a web page, by Voila: what ``invwidgets app`` opens. Only the shell imports it."""

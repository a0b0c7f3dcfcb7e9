"""The web page of `veilcast serve`: its files, and the routes that serve them."""

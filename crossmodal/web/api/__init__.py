"""Answer the requests of the page and of other programs."""

"""Find out which sources there are and what a run has to do to each."""

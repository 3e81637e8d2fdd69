"""Run an image tower by something other than torch, where that gives the same vectors."""

"""Turn what is written in pictures, and later what is said in sound, into text."""

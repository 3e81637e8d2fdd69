"""Try ways to run an image tower faster on somebody's own pictures, and say what each costs."""

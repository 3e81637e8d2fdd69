"""Judge what a collection holds by policies written in plain words, and let people decide."""

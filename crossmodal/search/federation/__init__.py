"""Ask many collections, here and served elsewhere, as if they were one."""

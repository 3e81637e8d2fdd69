"""List what lies below folders, globs, buckets and lists of paths."""

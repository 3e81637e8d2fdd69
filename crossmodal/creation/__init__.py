"""Make things of a collection: pairs, groups of duplicates, maps and storyboards."""

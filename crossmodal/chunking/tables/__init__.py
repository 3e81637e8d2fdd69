"""Cut tables into a description, groups of rows and pictures in cells."""

"""Cut plain text, markup and source code into passages under their headings."""

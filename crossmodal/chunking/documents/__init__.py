"""Cut PDF, Office files and e-books into passages, figures and page images."""

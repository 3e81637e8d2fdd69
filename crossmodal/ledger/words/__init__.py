"""Keep which words stand in which chunk: tokens, postings, and BM25 over them."""

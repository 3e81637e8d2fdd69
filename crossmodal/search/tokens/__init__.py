"""Keep the token vectors of multi-vector models beside a collection."""

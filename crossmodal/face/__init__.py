"""What ``import crossmodal`` offers: one collection as an object, its hits, its vectors."""

"""Show crossmodal on pictures, passages and tables that the project makes itself."""

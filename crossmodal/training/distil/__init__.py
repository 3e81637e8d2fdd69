"""Make a smaller student of an image-text model, by its vectors of pictures."""

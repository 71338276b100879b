"""Image-level labels from XML, label maps or a list."""

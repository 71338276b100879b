"""Seeds as arrays and files: from CAMs and saliency to label maps. No registry, no model."""

"""Decode heads of DeepLab-v2 for VGG16 and ResNet101."""

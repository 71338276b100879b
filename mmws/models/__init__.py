"""Stage two: the WST loss, DeepLab-v2 LargeFOV heads, and how any mmseg head takes K seeds."""

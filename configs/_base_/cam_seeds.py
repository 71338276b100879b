# How seeds are made of a classifier's CAMs, section 4 of the paper: with two types and three scales
# six of the twelve. Each config adds the `prefix` that their names start with.
seeds = dict(
    scales=(1.0, 0.75, 0.5),
    types=('threshold', 'crf'),
    flip=False,
    merge=None,  # 'max' or 'mean': one seed of all scales instead of one each (Table 3)
    # Where the background is: 8-bit maps in `folder` of the data_root, <image id>.png. For data
    # without any, source='cam' takes 1 - (1 - max CAM) ** alpha instead.
    saliency=dict(source='map', folder='saliency', suffix='.png', alpha=4.0, sparse_share=0.01),
    # CAM above `foreground` is the class, saliency below `background` is background, both or
    # neither is unknown (255). With sparse_fallback background must also be free of CAM where
    # saliency finds less than sparse_share of the image.
    threshold=dict(foreground=0.1, background=0.06, sparse_fallback=False),
    crf=dict(
        iterations=10,
        bilateral_sxy=80,
        bilateral_srgb=13,
        bilateral_compat=10,
        gaussian_sxy=3,
        gaussian_compat=3,
    ),
)

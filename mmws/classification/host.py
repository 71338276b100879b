"""Say what to install where mmpretrain is missing; imported before anything that needs it."""

try:
    import mmpretrain  # noqa: F401
except ImportError as error:
    raise ImportError(
        f'mmws.classification needs mmpretrain 1.2, which cannot be imported ({error}). Install '
        'it with: pip install "mmws[cam]"'
    ) from error

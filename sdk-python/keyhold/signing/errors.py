"""The one exception of this package."""


class SigningError(ValueError):
    """A request that cannot be signed in its dialect, or with this key; its text says why and holds no secret."""

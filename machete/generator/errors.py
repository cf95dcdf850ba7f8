"""What the generator raises."""


class GeneratorError(ValueError):
    """The catalogue or the request cannot be served; the text says what is allowed."""

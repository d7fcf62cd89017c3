"""A cache for functions whose options may be lists."""

import functools


def remembered(size):
    """A cache of the last `size` answers for a function whose options may be lists."""

    def remember(function):
        @functools.lru_cache(maxsize=size)
        def ask(positional, options):
            return function(*positional, **dict(options))

        @functools.wraps(function)
        def asked(*positional, **options):
            options = sorted((name, _fixed(value)) for name, value in options.items())
            return ask(tuple(map(_fixed, positional)), tuple(options))

        asked.cache_clear = ask.cache_clear
        return asked

    return remember


def _fixed(value):
    return tuple(value) if isinstance(value, list) else value

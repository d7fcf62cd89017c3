"""A cache for functions whose options may be lists."""

import functools


def remembered(size, also=lambda: None):
    """A cache of the last `size` answers for a function whose options may be lists. `also()` is what else the answer
    depends on."""

    def remember(function):
        @functools.lru_cache(maxsize=size)
        def ask(positional, options, setting):
            return function(*positional, **dict(options))

        @functools.wraps(function)
        def asked(*positional, **options):
            options = sorted((name, _fixed(value)) for name, value in options.items())
            return ask(tuple(map(_fixed, positional)), tuple(options), also())

        asked.cache_clear = ask.cache_clear
        return asked

    return remember


def _fixed(value):
    return tuple(value) if isinstance(value, list) else value

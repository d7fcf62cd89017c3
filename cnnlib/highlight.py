"""Python source as HTML, coloured by CSS classes so that light and dark pages each use their own palette."""

import html

__all__ = ["python_html"]


def python_html(source):
    """`source` as a `<div class="highlight"><pre>` block; without Pygments the same block uncoloured.

    A reader can scroll it sideways with the keyboard: the block itself takes the focus.
    """
    source = source.strip("\n")
    try:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer
    except ImportError:
        code = html.escape(source)
    else:
        code = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip("\n")
    return f'<div class="highlight"><pre tabindex="0"><code>{code}</code></pre></div>'

"""Python source as HTML, coloured by CSS classes so that light and dark pages each use their own palette."""

import html
import inspect
import textwrap

__all__ = ["python_html", "show_source"]


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


class Source:
    """The source of some classes or functions, as a notebook shows it."""

    def __init__(self, objects):
        self.text = "\n\n".join(textwrap.dedent(inspect.getsource(item)).strip("\n") for item in objects)

    def __repr__(self):
        return self.text

    def _repr_html_(self):
        return f'<div class="cnnlib-html">{python_html(self.text)}</div>'


def show_source(*objects):
    """The code of classes or functions as it stands in the library, so that a page cannot show an older one."""
    return Source(objects)

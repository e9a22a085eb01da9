"""How a derivation is given out: text, LaTeX, Markdown, a page, data. One format, one file; none knows mathematics."""

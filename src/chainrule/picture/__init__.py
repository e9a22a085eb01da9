"""A picture of the network: its equations with the sizes that flow forward, and the signals that flow back, as SVG.

`graph` says what is drawn, `split` cuts a long network into columns, `layers` places one column, `labels` writes names,
`svg` draws. Nothing here knows calculus: the backward pass is given.
"""

from chainrule.picture.svg import network_svg

__all__ = ["network_svg"]

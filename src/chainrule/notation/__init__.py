"""Notation out: from index expressions to matrix notation, and from that to text and LaTeX."""

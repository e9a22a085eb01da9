"""The whiteboard language: `parse_program` and `parse_expression` read it, `print_program` writes it.

Everything here is text and tree; what a program means (sizes, sums, gradients) is found elsewhere.
"""

from chainrule.language.parser import parse_expression, parse_program
from chainrule.language.printer import print_expression, print_program, print_statement

__all__ = ["parse_expression", "parse_program", "print_expression", "print_program", "print_statement"]

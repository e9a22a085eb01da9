"""Simplification: rules that use what names stand for. Each rule is one file; `engine` applies them."""

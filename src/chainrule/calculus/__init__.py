"""Derivatives of programs: reverse mode, forward mode, Jacobians."""

"""Benchmarks: generated code against what people would use in its place."""

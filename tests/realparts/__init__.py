"""The real programs that tests and benchmarks run: found or built, started, stopped."""

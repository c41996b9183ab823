"""`python -m benchmarks.zoo`: which networks of others are read, and how rightly."""

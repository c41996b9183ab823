"""Networks from and for PyTorch; see README.md."""

"""Turn a Jupyter notebook into a Recursive Language Model that a person can see into and steer."""

__version__ = "0.1.0"

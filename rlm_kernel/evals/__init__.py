"""Tasks with exact truth, the runner, comparisons."""

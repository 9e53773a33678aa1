"""Puzzles with exact truth: made, checked, and turned into others of their class."""

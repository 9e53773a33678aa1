"""The run: prompts, parsing replies, decisions, the answer, folding."""

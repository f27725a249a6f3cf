"""Models: checkpoints by name, the embedded default encoder, vocabulary trimming and the fast forward pass."""

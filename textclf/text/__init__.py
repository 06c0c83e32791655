"""Text: tokenizers, the vocabulary, encoders and the split of labelled rows."""

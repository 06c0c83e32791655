"""Training: fit models on a source's training rows and measure them on its test rows."""

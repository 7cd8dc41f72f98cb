"""Networks that learners share: multilayer perceptrons and conv blocks."""

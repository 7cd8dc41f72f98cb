"""The only training loop, its stopping rules and protocols."""

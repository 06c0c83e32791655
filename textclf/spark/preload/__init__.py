"""Modules that the daemon of workers imports once, before it forks workers that need them."""

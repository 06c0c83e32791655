"""Keep what JAX compiles; print the folder of the cache and the result of a compiled function."""

from typing import Any

import jax
import jax.numpy as jnp

from textclf.training.jax.compilation_cache import keep_compilations


def main() -> None:
    keep_compilations()
    config: Any = jax.config  # its settings are not typed
    print(config.jax_compilation_cache_dir)
    print(jax.jit(lambda x: x * 3 + 1)(jnp.arange(3)).tolist())


if __name__ == "__main__":
    main()

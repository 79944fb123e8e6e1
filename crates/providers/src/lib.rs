//! Adapters: the engine's ports over the API clients, itest, signatures and the terminal.

//! The promotion engine: pure phases and rollouts, ports, journal, runner.

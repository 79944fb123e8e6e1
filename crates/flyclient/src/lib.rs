//! API clients for Fly.io and its registry.

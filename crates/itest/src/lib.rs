//! Integration tests against deployed environments.

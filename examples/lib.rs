//! Programs that embed the crates; each is an example target of this package.

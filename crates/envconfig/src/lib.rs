//! The environment model: project file, fly.toml, overlays.

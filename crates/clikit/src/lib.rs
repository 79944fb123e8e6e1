//! What all binaries share: context, output, exit codes, progress.

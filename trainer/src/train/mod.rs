//! The training loop, checkpoints and diagnostics.

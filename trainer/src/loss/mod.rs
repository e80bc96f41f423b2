//! Losses, each with its hand-written gradient.

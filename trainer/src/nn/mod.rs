//! The network's batched forward and backward passes.

//! Plots and picture sheets of retrieval results.

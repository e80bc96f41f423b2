//! Ranking, its metrics and their confidence intervals.

//! `trainer bench threads`: what more threads gain in training.

use std::time::Instant;

use clap::Args;
use lookalike_trainer::data::Dataset;
use lookalike_trainer::train::Training;
use serde_json::{Value, json};

use super::bench::BenchLoss;

/// What is measured.
#[derive(Args)]
pub struct Threads {
    /// The loss; cross-entropy with SGD, triplet (all) with Adam.
    #[arg(long, value_enum, default_value = "cross-entropy")]
    loss: BenchLoss,
    /// Images of a batch.
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Numbers of threads; gains are over the first.
    #[arg(long, value_name = "T,..", value_delimiter = ',', default_value = "1,2", value_parser = clap::value_parser!(u32).range(1..=1024))]
    thread_counts: Vec<u32>,
    /// Images of a stretch.
    #[arg(long, value_name = "N", default_value_t = 1920, value_parser = clap::value_parser!(u32).range(1..))]
    images: u32,
    /// Stretches with each number of threads.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    stretches: u32,
}

impl Threads {
    /// Trains a network for each number of threads, stretch by stretch in turn.
    pub fn run(&self, data: &Dataset) -> anyhow::Result<Value> {
        let indices: Vec<u32> = (0..self.images.min(data.len() as u32)).collect();
        let data = data.subset(&indices);
        let settings = self.loss.settings(&data, self.batch_size, self.stretches)?;
        let mut runs = Vec::new();
        for &threads in &self.thread_counts {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads as usize).build()?;
            runs.push((pool, Training::new(settings, &data)?, Vec::new()));
        }
        for _ in 0..self.stretches {
            for (pool, training, seconds) in &mut runs {
                let started = Instant::now();
                pool.install(|| training.epoch(|_| ()))?;
                seconds.push(started.elapsed().as_secs_f64());
            }
        }
        let first = runs[0].2.clone();
        let rows = self.thread_counts.iter().zip(&runs).map(|(threads, (_, _, seconds))| {
            let gains = first.iter().zip(seconds).map(|(first, own)| first / own).collect();
            let [lower, median, upper] = quartiles(gains);
            json!({
                "threads": threads,
                "seconds": quartiles(seconds.clone())[1],
                "gain": median,
                "gain_quartiles": [lower, upper],
            })
        });
        Ok(json!({
            "images": data.len(),
            "batch_size": self.batch_size,
            "stretches": self.stretches,
            "runs": rows.collect::<Vec<_>>(),
        }))
    }
}

/// The lower quartile, the median and the upper quartile.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [last / 4, last / 2, last - last / 4].map(|i| values[i])
}

#[cfg(test)]
mod tests {
    use super::quartiles;

    #[test]
    fn quartiles_are_values_that_were_measured() {
        assert_eq!(quartiles(vec![5.0, 1.0, 4.0, 2.0, 3.0]), [2.0, 3.0, 4.0]);
        assert_eq!(quartiles(vec![7.0]), [7.0; 3]);
    }
}

//! `trainer bench threads`: what more threads gain in training, and what the
//! machine could give at most.

use std::time::Instant;

use clap::Args;
use lookalike_trainer::data::Dataset;
use lookalike_trainer::train::Training;
use rayon::ThreadPool;
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
        let run = |threads: u32| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads as usize).build()?;
            anyhow::Ok((pool, Training::new(settings, &data)?))
        };
        let mut together =
            self.thread_counts.iter().map(|&t| run(t)).collect::<Result<Vec<_>, _>>()?;
        let most = self.thread_counts.iter().copied().max().unwrap_or(1);
        let mut apart = (0..most).map(|_| run(1)).collect::<Result<Vec<_>, _>>()?;

        let mut seconds = vec![Vec::new(); together.len()];
        let mut seconds_apart = vec![Vec::new(); together.len()];
        for _ in 0..self.stretches {
            for (i, &threads) in self.thread_counts.iter().enumerate() {
                seconds[i].push(timed(&mut together[i..=i])?);
                seconds_apart[i].push(timed(&mut apart[..threads as usize])?);
            }
        }
        let first = seconds[0].clone();
        let rows = self.thread_counts.iter().enumerate().map(|(i, &threads)| {
            let gains = first.iter().zip(&seconds[i]).map(|(first, own)| first / own);
            let ceilings = (seconds_apart[0].iter().zip(&seconds_apart[i])).map(|(first, own)| {
                f64::from(threads) / f64::from(self.thread_counts[0]) * first / own
            });
            let [lower, median, upper] = quartiles(gains.collect());
            json!({
                "threads": threads,
                "seconds": quartiles(seconds[i].clone())[1],
                "gain": median,
                "gain_quartiles": [lower, upper],
                "ceiling": quartiles(ceilings.collect())[1],
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

/// Seconds until each of `runs`, all at once, has made an epoch.
fn timed(runs: &mut [(ThreadPool, Training<'_>)]) -> anyhow::Result<f64> {
    let started = Instant::now();
    std::thread::scope(|scope| {
        let epochs: Vec<_> = (runs.iter_mut())
            .map(|(pool, training)| scope.spawn(|| pool.install(|| training.epoch(|_| ()))))
            .collect();
        epochs.into_iter().try_for_each(|epoch| {
            epoch.join().expect("an epoch does not panic")?;
            anyhow::Ok(())
        })
    })?;
    Ok(started.elapsed().as_secs_f64())
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

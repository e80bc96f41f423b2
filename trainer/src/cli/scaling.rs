//! `trainer bench scaling`: how times and memory grow.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use clap::Args;
use lookalike_trainer::data::Source;
use lookalike_trainer::figures::{Panel, scaling_svg};
use lookalike_trainer::files::write_atomically;
use serde_json::Value;

use super::console::note;
use super::output::print;

/// Batch sizes and numbers of images that are measured.
const BATCHES: [u32; 6] = [16, 32, 64, 128, 256, 512];
const IMAGES: [u32; 6] = [1_000, 3_000, 10_000, 20_000, 30_000, 60_000];

/// What is measured.
#[derive(Args)]
pub struct Scaling {
    /// The model file that embeds for evaluation.
    model: PathBuf,
    /// Numbers of threads.
    #[arg(long, value_name = "T,..", value_delimiter = ',', default_value = "1,2", value_parser = clap::value_parser!(u32).range(1..))]
    thread_counts: Vec<u32>,
    /// Measurements of each figure, of which the median is taken.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Also draw the figures into this SVG file.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// Seconds, and megabytes at the peak where the system tells.
type Figure = (f64, Option<f64>);

impl Scaling {
    /// Runs the measurements, each in a process of its own, and prints two
    /// Markdown tables.
    pub fn run(&self, data: &Source) -> anyhow::Result<()> {
        let mut epochs = Vec::new();
        for batch in BATCHES {
            let arguments = ["epoch", "--batch-size", &batch.to_string()].map(str::to_owned);
            epochs.push((batch, self.figures(&arguments, "/epoch_seconds/0", data)?));
        }
        let mut evaluations = Vec::new();
        for images in IMAGES {
            let model = self.model.to_str().context("the model's path is not Unicode")?;
            let images_argument = images.to_string();
            let arguments = ["evaluate", model, "--split", "train", "--images", &images_argument]
                .map(str::to_owned);
            evaluations.push((images, self.figures(&arguments, "/seconds", data)?));
        }
        let mut text = self.table("batch", "s an epoch", &epochs)?;
        text.push('\n');
        text.push_str(&self.table("images", "s to evaluate", &evaluations)?);
        print(&text)?;
        match &self.plot {
            Some(path) => self.draw(path, &epochs, &evaluations),
            None => Ok(()),
        }
    }

    /// The figures of one `trainer bench` for each number of threads, taken in turn.
    fn figures(
        &self,
        arguments: &[String],
        key: &str,
        data: &Source,
    ) -> anyhow::Result<Vec<Figure>> {
        let mut measured = vec![Vec::new(); self.thread_counts.len()];
        for _ in 0..self.repeats {
            for (threads, measured) in self.thread_counts.iter().zip(&mut measured) {
                measured.push(measure(arguments, key, data, *threads)?);
            }
        }
        Ok(measured.into_iter().map(median).collect())
    }

    fn table(&self, of: &str, what: &str, rows: &[(u32, Vec<Figure>)]) -> anyhow::Result<String> {
        let mut text = format!("| {of} |");
        for threads in &self.thread_counts {
            write!(text, " {what}, {threads} thread(s) |")?;
        }
        text.push_str(" times as fast | MB at the peak |\n|---:|---:|---:|");
        text.push_str(&"---:|".repeat(self.thread_counts.len()));
        text.push('\n');
        for (size, figures) in rows {
            write!(text, "| {size} |")?;
            for (seconds, _) in figures {
                write!(text, " {seconds:.3} |")?;
            }
            let gain = figures[0].0 / figures[figures.len() - 1].0;
            let memory = figures[figures.len() - 1].1;
            let memory = memory.map_or("-".to_owned(), |memory| format!("{memory:.0}"));
            writeln!(text, " {gain:.2} | {memory} |")?;
        }
        Ok(text)
    }

    fn draw(
        &self,
        path: &Path,
        epochs: &[(u32, Vec<Figure>)],
        evaluations: &[(u32, Vec<Figure>)],
    ) -> anyhow::Result<()> {
        let lines = |rows: &[(u32, Vec<Figure>)], of: &dyn Fn(&Figure) -> Option<f64>| {
            let each = self.thread_counts.iter().enumerate().map(|(i, threads)| {
                let points = rows.iter().filter_map(|(size, figures)| {
                    of(&figures[i]).map(|value| (f64::from(*size), value))
                });
                (format!("{threads} thread(s)"), points.collect())
            });
            each.collect()
        };
        let seconds = |figure: &Figure| Some(figure.0);
        let panels = [
            Panel { x: "images of a batch", y: "seconds an epoch", lines: lines(epochs, &seconds) },
            Panel {
                x: "images, each a query",
                y: "seconds to evaluate",
                lines: lines(evaluations, &seconds),
            },
            Panel {
                x: "images, each a query",
                y: "megabytes at the peak",
                lines: lines(evaluations, &|figure| figure.1),
            },
        ];
        let svg = scaling_svg(&panels)?;
        write_atomically(path, |writer| writer.write_all(svg.as_bytes()))?;
        note!("wrote {}", path.display());
        Ok(())
    }
}

/// Runs `trainer bench` once and reads what it prints.
fn measure(arguments: &[String], key: &str, data: &Source, threads: u32) -> anyhow::Result<Figure> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let output = Command::new(program)
        .arg("bench")
        .args(arguments)
        .args(["--data", &data.to_string(), "--threads", &threads.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start a measurement")?;
    ensure!(output.status.success(), "a measurement failed: {}", output.status);
    let result: Value = serde_json::from_slice(&output.stdout)?;
    let seconds = result.pointer(key).and_then(Value::as_f64).context("no time was measured")?;
    let memory = result["peak_memory_bytes"].as_f64().map(|bytes| bytes / 1e6);
    Ok((seconds, memory))
}

fn median(mut figures: Vec<Figure>) -> Figure {
    figures.sort_by(|a, b| a.0.total_cmp(&b.0));
    figures[figures.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaling(thread_counts: Vec<u32>) -> Scaling {
        Scaling { model: PathBuf::new(), thread_counts, repeats: 1, plot: None }
    }

    #[test]
    fn rows_hold_the_times_the_gain_and_the_memory() {
        let rows = [(16, vec![(3.0, Some(70.0)), (1.5, Some(71.4))]), (32, vec![(3.0, None); 2])];
        let table = scaling(vec![1, 2]).table("batch", "s an epoch", &rows).unwrap();
        let expected = "\
            | batch | s an epoch, 1 thread(s) | s an epoch, 2 thread(s) | times as fast | MB at the peak |\n\
            |---:|---:|---:|---:|---:|\n\
            | 16 | 3.000 | 1.500 | 2.00 | 71 |\n\
            | 32 | 3.000 | 3.000 | 1.00 | - |\n";
        assert_eq!(table, expected);
    }

    #[test]
    fn of_one_number_of_threads_there_is_no_gain() {
        let table = scaling(vec![2]).table("images", "s", &[(9, vec![(0.25, Some(8.0))])]).unwrap();
        assert!(table.ends_with("| 9 | 0.250 | 1.00 | 8 |\n"), "{table}");
    }

    #[test]
    fn the_median_keeps_time_and_memory_together() {
        let figures = vec![(3.0, Some(1.0)), (1.0, Some(2.0)), (2.0, Some(3.0))];
        assert_eq!(median(figures), (2.0, Some(3.0)));
    }
}

//! A report on how models retrieve, as one HTML file that needs nothing else.
//!
//! [`Report::new`] gathers what is shown of evaluated models, [`Report::html`]
//! writes the page and [`Report::figures`] its figures as files. The page asks
//! for nothing from elsewhere and forbids the browser to; without scripts it
//! lacks only the pictures that appear over the map. The same input gives the
//! same bytes.

mod confusion;
mod found;
mod map;
mod page;
mod picture;
mod sections;
#[cfg(test)]
mod tests;

use ndarray::Array2;

use crate::data::Dataset;
use crate::figures::{FigureError, SheetError, SheetRow, per_class_svg, retrieval_sheet_png};
use crate::files::LoadedModel;
use crate::quantize::table::CodeTable;
use crate::retrieval::{Evaluation, search};
use crate::train::EpochStats;

use confusion::Confusion;
use found::Found;
use map::Map;
use picture::Pictures;

/// Queries shown of those with the highest and of those with the lowest
/// average precision.
const EXTREMES: usize = 5;
/// Chosen queries shown unless they are named.
const CHOSEN: usize = 10;

/// What was measured of one model or baseline.
#[derive(Clone, Debug)]
pub struct Measured<'a> {
    /// What it is called.
    pub name: String,
    /// The model; `None` of a baseline that is none.
    pub model: Option<&'a LoadedModel>,
    /// How it retrieves.
    pub evaluation: Evaluation,
    /// The embeddings `[N, E]` of all images.
    pub embeddings: Array2<f32>,
    /// The figures of its training by epoch, if they are known.
    pub training: Option<Vec<EpochStats>>,
}

/// What to show.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// What the images are, in words.
    pub source: &'a str,
    /// The queries to show; the first image of each of the first ten classes if
    /// left out.
    pub queries: Option<&'a [u32]>,
    /// Images shown of those that a query finds.
    pub neighbours: usize,
    /// What codes of the first model's embeddings cost.
    pub codes: Option<&'a CodeTable>,
    /// An int8 model made of the first, to be listed among what a device needs.
    pub int8: Option<&'a LoadedModel>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// There is nothing to report on.
    #[error("a report needs at least one model")]
    NoModel,
    /// A query is not one of the images.
    #[error("there is no image {query} to search with: {images} images are numbered from 0")]
    Query {
        /// Its index.
        query: u32,
        /// Number of images.
        images: usize,
    },
    /// The images cannot be shown.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// A picture cannot be encoded.
    #[error("a picture could not be encoded: {0}")]
    Picture(#[from] image::ImageError),
    /// A plot cannot be drawn.
    #[error(transparent)]
    Figure(#[from] FigureError),
}

/// One of the models that are compared.
struct Entry<'a> {
    name: String,
    model: Option<&'a LoadedModel>,
    evaluation: Evaluation,
    training: Option<Vec<EpochStats>>,
    /// What the chosen queries found.
    chosen: Vec<Found>,
}

/// A report: the first model in detail, the others beside it.
pub struct Report<'a> {
    options: Options<'a>,
    data: &'a Dataset,
    entries: Vec<Entry<'a>>,
    /// Of the first model: the queries with the highest average precision.
    best: Vec<Found>,
    /// And with the lowest.
    worst: Vec<Found>,
    confusion: Confusion,
    map: Map,
}

impl<'a> Report<'a> {
    /// Gathers what is shown of models that were evaluated on `data`, the first
    /// one in detail.
    ///
    /// # Errors
    /// [`ReportError::NoModel`], [`ReportError::Query`], and
    /// [`ReportError::Sheet`] for images that are neither grey nor RGB.
    ///
    /// # Panics
    /// When evaluations or embeddings are of other images than `data`.
    pub fn new(
        data: &'a Dataset,
        measured: Vec<Measured<'a>>,
        options: Options<'a>,
    ) -> Result<Report<'a>, ReportError> {
        let images = data.len();
        if !matches!(data.shape.channels, 1 | 3) {
            return Err(SheetError::Channels(data.shape.channels).into());
        }
        let first = measured.first().ok_or(ReportError::NoModel)?;
        let firsts: Vec<u32>;
        let chosen = match options.queries {
            Some(queries) => queries,
            None => {
                firsts = found::first_of_each_class(data, CHOSEN);
                &firsts
            }
        };
        if let Some(&query) = chosen.iter().find(|&&query| query as usize >= images) {
            return Err(ReportError::Query { query, images });
        }
        let find = |measured: &Measured<'_>, queries: &[u32]| {
            let (embeddings, evaluation) = (measured.embeddings.view(), &measured.evaluation);
            found::find(queries, embeddings, evaluation, options.neighbours)
        };
        let (best, worst) = found::extremes(&first.evaluation, EXTREMES);
        let (best, worst) = (find(first, &best), find(first, &worst));
        let ids: Vec<u32> = (0..images as u32).collect();
        let nearest = search(first.embeddings.view(), first.embeddings.view(), 1, Some(&ids));
        let nearest: Vec<Option<u32>> =
            nearest.iter().map(|found| found.first().map(|found| found.id)).collect();
        let confusion = Confusion::new(&data.labels, &nearest, data.class_count());
        let map = Map::new(first.embeddings.view(), &data.labels, &nearest);
        let entries = measured
            .into_iter()
            .map(|measured| Entry {
                chosen: find(&measured, chosen),
                name: measured.name,
                model: measured.model,
                evaluation: measured.evaluation,
                training: measured.training,
            })
            .collect();
        Ok(Report { options, data, entries, best, worst, confusion, map })
    }

    /// The page.
    ///
    /// # Errors
    /// When a picture cannot be encoded or a plot cannot be drawn.
    pub fn html(&self) -> Result<String, ReportError> {
        let pictures = Pictures::new(self.data);
        let sections = [
            sections::comparison::section(self),
            sections::curves::section(self)?,
            sections::retrieved::section(self, &pictures)?,
            sections::classes::section(self),
            sections::map::section(self, &pictures)?,
            sections::training::section(self)?,
            sections::codes::section(self)?,
            sections::device::section(self),
        ];
        Ok(page::page(self, &sections))
    }

    /// The figures, each with a name for a file: plots as SVG, sheets of
    /// pictures as PNG.
    ///
    /// # Errors
    /// As [`Report::html`].
    pub fn figures(&self) -> Result<Vec<(String, Vec<u8>)>, ReportError> {
        let mut files = vec![
            ("precision-recall.svg".to_owned(), sections::curves::figure(self)?.into_bytes()),
            ("per-class.svg".to_owned(), self.per_class()?.into_bytes()),
            ("map.svg".to_owned(), sections::map::figure(self).into_bytes()),
        ];
        if let Some(codes) = self.options.codes {
            files.push(("codes.svg".into(), sections::codes::figure(codes)?.into_bytes()));
        }
        let sheet = |found: &[Found]| {
            let rows: Vec<SheetRow> = found.iter().map(SheetRow::from).collect();
            retrieval_sheet_png(self.data, &rows)
        };
        for (name, found) in [("best", &self.best), ("worst", &self.worst)] {
            files.push((format!("retrieved-{name}.png"), sheet(found)?));
        }
        for (number, entry) in (1..).zip(&self.entries) {
            let name = format!("{number}-{}", slug(&entry.name));
            if !entry.chosen.is_empty() {
                files.push((format!("retrieved-{name}.png"), sheet(&entry.chosen)?));
            }
            for (figure, svg) in sections::training::figures(entry)? {
                files.push((format!("training-{name}-{figure}.svg"), svg.into_bytes()));
            }
        }
        Ok(files)
    }

    /// The models' names and evaluations.
    fn evaluations(&self) -> Vec<(&str, &Evaluation)> {
        self.entries.iter().map(|entry| (entry.name.as_str(), &entry.evaluation)).collect()
    }

    /// The model that is shown in detail.
    fn first(&self) -> &Entry<'a> {
        &self.entries[0]
    }

    /// The name of a class.
    fn class(&self, label: u16) -> String {
        let names = &self.data.class_names;
        names.get(usize::from(label)).cloned().unwrap_or_else(|| label.to_string())
    }

    /// Average precision of each class that has queries, as a plot.
    fn per_class(&self) -> Result<String, FigureError> {
        let classes = &self.first().evaluation.per_class;
        let names: Vec<String> = classes.iter().map(|class| class.name.clone()).collect();
        let series: Vec<(&str, Vec<f64>)> = self
            .entries
            .iter()
            .map(|entry| {
                let values = entry.evaluation.per_class.iter();
                (entry.name.as_str(), values.map(|class| class.mean.average_precision).collect())
            })
            .collect();
        per_class_svg("mean average precision", &names, &series)
    }
}

/// A name with which a file's name can be made.
fn slug(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

//! `trainer serve`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use clap::Args;
use lookalike::Packing;
use lookalike_trainer::data::{DataError, Dataset, Source, Split};
use lookalike_trainer::files::{
    LoadedModel, OutputLock, load_gallery, load_gallery_of, load_model,
};
use lookalike_trainer::quantize::{self, Calibration, Options};
use lookalike_trainer::serve::{Limits, Stock, serve};

use super::UsageError;
use super::console::{note, print_line};
use super::interrupt::at_signal;
use super::options::{DataOptions, ThreadOptions};
use super::output::print;

/// Show on a local page what a model finds for drawings, pictures and the camera.
///
/// The page, for a browser on this machine alone, searches while one draws, in
/// f32, int8 and binary codes, and enrols what is drawn. Its address is printed
/// when it is ready; Ctrl-C ends it. Without --gallery the gallery is made of
/// the first images of each class of the data. An f32 model is quantised on
/// that data unless --int8 gives the int8 model.
#[derive(Args)]
#[command(after_help = "Example:\n  trainer serve demo/triplet.model\n  \
                  trainer serve demo/triplet.model --int8 demo/triplet.int8.model --save mine.enrolled")]
pub struct Serve {
    /// The model file, f32 or int8.
    model: PathBuf,
    /// A gallery file made by the model or by that of --int8. If it was made of
    /// the data by `trainer gallery`, its items have pictures, and other codes
    /// than the file's can be chosen.
    #[arg(long, value_name = "FILE")]
    gallery: Option<PathBuf>,
    /// The int8 model that was made of the f32 model.
    #[arg(long, value_name = "FILE")]
    int8: Option<PathBuf>,
    #[command(flatten)]
    data: DataOptions,
    /// Which part of the data the gallery is or was made of.
    #[arg(long, value_enum, value_name = "S", default_value = "train")]
    split: Split,
    /// Images of each class in the gallery; not with --gallery.
    #[arg(long, value_name = "N", default_value_t = 100, conflicts_with = "gallery",
        value_parser = clap::value_parser!(u32).range(1..))]
    per_class: u32,
    /// The port on 127.0.0.1; 0 for any free one.
    #[arg(long, value_name = "N", default_value_t = 7878)]
    port: u16,
    /// Keep what is enrolled in this file, and begin with what it holds;
    /// without it, enrolments are gone when the program ends.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadOptions,
}

impl Serve {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let threads = self.threads;
        let claim = self.save.as_deref().map(OutputLock::claim).transpose()?;
        if claim.is_none() {
            return threads.run(|| self.serve());
        }
        // What is enrolled has been written before it is confirmed: there is
        // nothing to do at the end but to give up the claim.
        let claim = Arc::new(Mutex::new(claim));
        let give_up = |claim: &Mutex<Option<OutputLock>>| drop(claim.lock().map(|mut c| c.take()));
        at_signal({
            let claim = claim.clone();
            move || give_up(&claim)
        })?;
        let result = threads.run(|| self.serve());
        give_up(&claim);
        result
    }

    fn serve(self) -> anyhow::Result<()> {
        let stock = self.stock()?;
        let codes: Vec<&str> = stock.codes().map(|code| code.name()).collect();
        note!("{} items in {}; Ctrl-C ends", stock.len(), codes.join(", "));
        let mut printed = Ok(());
        serve(&stock, self.port, self.save, Limits::default(), |address| {
            printed = print(&format!("http://{address}/\n"));
        })?;
        printed
    }

    fn stock(&self) -> anyhow::Result<Stock> {
        let model = load_model(&self.model)?;
        let int8 = self.int8.as_deref().map(load_model).transpose()?;
        if int8.as_ref().is_some_and(|int8| int8.quantized().is_none() || model.float().is_none()) {
            let message = "--int8 takes the int8 model of an f32 MODEL";
            return Err(UsageError(message.into()).into());
        }
        let Some(path) = &self.gallery else { return self.stock_of_data(model, int8) };
        let gallery = match &int8 {
            Some(int8) if load_gallery(path)?.fingerprint() == int8.fingerprint => {
                load_gallery_of(path, int8)?
            }
            _ => load_gallery_of(path, &model)?,
        };
        let data = match self.data.load_for(self.split, &model) {
            Err(error) if matches!(error.downcast_ref(), Some(DataError::Shape { .. })) => None,
            data => Some(data?),
        };
        let models = [model].into_iter().chain(int8).collect();
        let stock = Stock::of_gallery(models, gallery, data.as_ref())?;
        if !stock.has_pictures() {
            let (path, source) = (path.display(), &self.data.data);
            print_line(format_args!(
                "note: {path} was not made of the first images of each class of {source}: its \
                 items have no pictures, and its own code is the only one; give what it was made \
                 of with --data and --split"
            ));
        }
        Ok(stock)
    }

    fn stock_of_data(
        &self,
        model: LoadedModel,
        int8: Option<LoadedModel>,
    ) -> anyhow::Result<Stock> {
        let data = self.data.load_for(self.split, &model)?;
        let int8 = match int8 {
            None if model.float().is_some() => quantized(&model, &data, &self.data.data),
            given => given,
        };
        let data = data.first_per_class(self.per_class as usize);
        note!("embedding {} images", data.len());
        let models = [model].into_iter().chain(int8).collect();
        Ok(Stock::of_data(models, &data)?)
    }
}

/// The model in 8-bit integers, with the least that has to be tried; `None`, and
/// a note, if it cannot be had.
fn quantized(model: &LoadedModel, data: &Dataset, source: &Source) -> Option<LoadedModel> {
    note!("quantising on images of {source}; --int8 takes a model that is quantised already");
    let options = Options {
        calibration: Some(Calibration::P9999),
        calibration_images: 1000,
        validation_images: 1000,
        thorough: false,
        ..Options::default()
    };
    match quantize::quantize(model, data, Packing::Fast, &options) {
        Ok((int8, _)) => Some(int8),
        Err(error) => {
            print_line(format_args!("note: no int8 and binary codes: {error}"));
            None
        }
    }
}

//! The images of a step: which, in which views, and what is mixed into them.

use rand::RngExt;
use rand::seq::SliceRandom;

use super::Settings;
use super::terms::Targets;
use crate::data::Dataset;
use crate::nn::NORM_CHUNK;
use crate::rng::{Purpose, Xoshiro256PlusPlus, stream};

/// The images of a step.
pub(super) struct Batch {
    indices: Vec<u32>,
    /// The view of each.
    views: Vec<u16>,
    /// Views of a class apart.
    labels: Vec<u16>,
    /// With mixup, the place in the batch of the image that is mixed into each.
    partners: Vec<u32>,
    /// The labels of those.
    mixed: Vec<u16>,
    /// Their share; none without mixup.
    share: Option<f32>,
    /// Images drawn in this epoch before these.
    before: u64,
    /// The most images.
    full: usize,
}

impl Batch {
    /// None yet, of up to `full` images.
    pub fn new(full: usize) -> Batch {
        let labels = || Vec::with_capacity(full);
        Batch {
            indices: Vec::with_capacity(full),
            views: labels(),
            labels: labels(),
            partners: Vec::new(),
            mixed: Vec::new(),
            share: None,
            before: 0,
            full,
        }
    }

    /// The most images.
    pub fn full(&self) -> usize {
        self.full
    }

    /// Images of this batch.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// None yet, of a new epoch.
    pub fn start_epoch(&mut self) {
        self.before = 0;
        self.indices.clear();
    }

    /// The next batch, of the images `drawn`; views and what is mixed come
    /// from `rng`.
    pub fn draw(
        &mut self,
        drawn: &[u32],
        settings: &Settings,
        data: &Dataset,
        rng: &mut Xoshiro256PlusPlus,
    ) {
        self.before += self.indices.len() as u64;
        self.indices.clear();
        // A P x K batch comes class after class: dealt out, every chunk that
        // is normalised by itself has its share of each.
        let hands = match settings.batch_norm {
            true => drawn.len().div_ceil(NORM_CHUNK).max(1),
            false => 1,
        };
        for hand in 0..hands {
            self.indices.extend(drawn.iter().skip(hand).step_by(hands));
        }
        self.views.clear();
        self.labels.clear();
        let classes = match settings.network.classes() {
            0 => data.class_count(),
            classes => classes,
        };
        let views = settings.views.count();
        for &i in &self.indices {
            let view = if views > 1 { rng.random_range(0..views) } else { 0 };
            self.views.push(view);
            self.labels.push(data.labels[i as usize] + view * classes as u16);
        }
        if settings.mixup {
            self.share = Some(rng.random());
            self.partners.clear();
            self.partners.extend(0..self.labels.len() as u32);
            self.partners.shuffle(rng);
            self.mixed.clear();
            self.mixed.extend(self.partners.iter().map(|&i| self.labels[i as usize]));
        }
    }

    /// What the images are labelled.
    pub fn targets(&self) -> Targets<'_> {
        let mixed = self.share.map(|share| (self.mixed.as_slice(), share));
        Targets { labels: &self.labels, mixed }
    }

    /// Image `i` as the network gets it to see in this epoch, height x width x
    /// channels, in -1..=1.
    pub fn show(
        &self,
        i: usize,
        epoch: u32,
        settings: &Settings,
        data: &Dataset,
        input: &mut [f32],
    ) {
        self.distorted(i, epoch, settings, data, input);
        if let Some(share) = self.share {
            let mut other = vec![0.0; input.len()];
            self.distorted(self.partners[i] as usize, epoch, settings, data, &mut other);
            for (x, other) in input.iter_mut().zip(other) {
                *x += share * (other - *x);
            }
        }
    }

    fn distorted(
        &self,
        i: usize,
        epoch: u32,
        settings: &Settings,
        data: &Dataset,
        input: &mut [f32],
    ) {
        let image = data.image(self.indices[i] as usize);
        let view = settings.views.view(self.views[i]);
        let number = (u64::from(epoch) << 32) + self.before + i as u64;
        let mut rng = stream(settings.seed, Purpose::Augmentation, number);
        settings.augmentation.apply(&mut rng, view, image, data.shape, input);
    }
}

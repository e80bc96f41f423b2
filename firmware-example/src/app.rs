//! The application: it knows nothing of the board that it runs on.

use core::fmt;

use lookalike::{
    EmbedError, Gallery, GalleryError, GalleryFile, GalleryFileError, Match, Matches, Model,
    ModelError, Recognition, SelfTestError,
};
use semihosting::println;

use crate::assets::{ASSETS, FAMILY, NEIGHBOURS, NETWORK, Query};
use crate::board::{self, Counter};
use crate::parameters::{self, Code, Parameters, WORDS, Workspace};
use crate::persistence::{self, Enrolments};
use crate::ram_flash::RamFlash;
use crate::stack;

/// The digit that neither training nor the gallery has seen.
const NEW_DIGIT: u8 = 9;
/// Items that can be enrolled.
const CAPACITY: usize = 4;
/// What the desktop's and the device's embeddings may differ by.
const TOLERANCE: f32 = 1e-5;

/// Items in flash and enrolled ones, searched as one.
pub type DeviceGallery = Gallery<'static, CAPACITY, WORDS, Code>;

/// What became of queries of the new digit.
struct Found {
    /// Nearest to an item of the new digit.
    nearest: usize,
    /// Too far from everything, by the model's threshold.
    unknown: usize,
    of: usize,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "of {} other images of a {NEW_DIGIT} {} are nearest to a {NEW_DIGIT}; the threshold calls {} unknown",
            self.of, self.nearest, self.unknown
        )
    }
}

/// Why the application stopped.
pub enum Failure {
    Model(ModelError),
    GalleryFile(GalleryFileError),
    Gallery(GalleryError),
    Embed(EmbedError),
    SelfTest(SelfTestError),
    Store(persistence::Error),
    /// What was expected and is not so.
    Check(&'static str),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Model(error) => error.fmt(f),
            Failure::GalleryFile(error) => error.fmt(f),
            Failure::Gallery(error) => error.fmt(f),
            Failure::Embed(error) => error.fmt(f),
            Failure::SelfTest(error) => error.fmt(f),
            Failure::Store(error) => error.fmt(f),
            Failure::Check(what) => f.write_str(what),
        }
    }
}

macro_rules! from {
    ($($variant:ident($error:ty)),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Failure::$variant(error)
            }
        })*
    };
}
from!(
    Model(ModelError),
    GalleryFile(GalleryFileError),
    Gallery(GalleryError),
    Embed(EmbedError),
    SelfTest(SelfTestError),
    Store(persistence::Error)
);

fn check(holds: bool, what: &'static str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::Check(what)) }
}

/// Runs everything and gives the exit status. After the first half the board is
/// restarted, and what was stored before is all that tells the second from it.
pub fn run(workspace: &mut Workspace, flash: RamFlash) -> i32 {
    stack::begin();
    match demonstrate(workspace, flash) {
        Ok(()) => {
            print_ram();
            println!("all as expected");
            0
        }
        Err(failure) => {
            println!("failed: {failure}");
            1
        }
    }
}

/// What the whole application has taken since it started.
fn print_ram() {
    println!(
        "RAM: {} bytes of variables, {} bytes of stack",
        board::static_ram(),
        stack::deepest()
    );
}

fn demonstrate(workspace: &mut Workspace, flash: RamFlash) -> Result<(), Failure> {
    let mut device = Device::open(workspace)?;
    let first_id = device.gallery.len() as u32;
    let mut enrolments = persistence::open(flash, &device.model, first_id)?;
    if enrolments.is_empty()? {
        println!("Lookalike on {}", board::NAME);
        device.demonstrate()?;
        device.remember(&mut enrolments)?;
        print_ram();
        println!("restarting");
        board::restart()
    }
    device.recall(&mut enrolments)
}

/// The images of the digit that is new.
fn new_digits() -> impl Iterator<Item = Query> + Clone {
    ASSETS.queries().filter(|query| query.digit == NEW_DIGIT)
}

struct Device<'w> {
    model: Model<'static, Parameters>,
    gallery: DeviceGallery,
    workspace: &'w mut Workspace,
    counter: Counter,
}

impl<'w> Device<'w> {
    fn open(workspace: &'w mut Workspace) -> Result<Self, Failure> {
        let model = Model::from_bytes(ASSETS.model)?;
        let gallery = Gallery::new(&model, Some(GalleryFile::from_bytes(ASSETS.gallery)?))?;
        let counter = Counter::take().ok_or(Failure::Check("the counter is free"))?;
        Ok(Device { model, gallery, workspace, counter })
    }

    fn demonstrate(&mut self) -> Result<(), Failure> {
        let [a, b, c] = NETWORK.widths();
        println!(
            "model: widths {a}, {b}, {c}; embeddings of {} values, {} bytes",
            NETWORK.embedding_len(),
            4 * WORDS
        );
        println!("gallery: {} items in flash, none shows a {NEW_DIGIT}", self.gallery.len());
        let images = self.model.self_test(self.workspace)?;
        println!("self-test: {images} images have the embeddings of the model file");
        self.test_family()?;
        self.measure()?;
        self.compare_with_desktop()?;
        self.enrol_and_remove()
    }

    /// The kernels at other dimensions than those of the gallery's network.
    fn test_family(&mut self) -> Result<(), Failure> {
        for bytes in FAMILY {
            Model::<Parameters>::from_bytes(bytes)?.self_test(self.workspace)?;
        }
        if !FAMILY.is_empty() {
            println!("self-test: {} other models pass", FAMILY.len());
        }
        Ok(())
    }

    /// Instructions, stack and workspace of one embedding and one search.
    fn measure(&mut self) -> Result<(), Failure> {
        const LOOPS: u32 = 500_000;
        let Self { model, gallery, workspace, counter } = self;
        let unit = Counter::UNIT;
        let ((), counted) = counter.measure(|| board::known_loop(LOOPS));
        println!("known loop of {} instructions: {counted} {unit}", 2 * LOOPS);
        if unit == "instructions" {
            let off = counted.abs_diff(2 * u64::from(LOOPS));
            check(off <= Counter::RESOLUTION + 16, "the counter counts instructions")?;
        }
        let query = ASSETS.queries().next().ok_or(Failure::Check("there is an image"))?;

        let (_, stack) = stack::measure(|| model.embed(query.image, &mut **workspace).map(drop));
        let (embedding, count) = counter.measure(|| model.embed(query.image, &mut **workspace));
        let embedding = embedding?;
        println!(
            "embed: {count} {unit}, workspace {} bytes, stack {stack} bytes",
            size_of::<Workspace>()
        );

        let search = || -> Matches<5> { gallery.search(&embedding) };
        let (_, stack) = stack::measure(search);
        let (_, count) = counter.measure(search);
        println!("search for the nearest 5: {count} {unit}, stack {stack} bytes");
        Ok(())
    }

    /// Every image's embedding and nearest items against the desktop's.
    fn compare_with_desktop(&mut self) -> Result<(), Failure> {
        let (mut images, mut lists, mut identical) = (0, 0, 0);
        let (mut known, mut recognized) = (0, 0);
        let mut largest = 0.0f32;
        for query in ASSETS.queries().take(board::QUERIES) {
            let embedding = self.model.embed(query.image, self.workspace)?;
            let words = embedding.as_slice();
            largest = largest.max(parameters::difference(words, query.embedding));
            identical += usize::from(words == query.embedding);
            images += 1;

            let matches: Matches<NEIGHBOURS> = self.gallery.search(&embedding);
            let ids = matches.iter().map(|found| found.id);
            lists += usize::from(ids.eq(query.neighbours.iter().map(|&id| u32::from(id))));
            if query.digit != NEW_DIGIT {
                known += 1;
                recognized += usize::from(
                    matches.first().is_some_and(|found| self.shows(found, query.digit)),
                );
            }
        }
        println!(
            "desktop: {images} embeddings, {identical} have its bits, none is off by {} billionths or more",
            (largest * 1e9) as u32 + 1
        );
        println!("desktop: {lists} of {images} top-{NEIGHBOURS} lists are its own");
        println!("nearest item shows the query's digit: {recognized} of {known}");
        check(images > 0 && largest <= TOLERANCE, "embeddings agree with the desktop's")?;
        check(lists == images, "nearest items agree with the desktop's")
    }

    fn shows(&self, found: &Match, digit: u8) -> bool {
        self.gallery.label(found.id).is_some_and(|label| label.as_bytes() == [b'0' + digit])
    }

    /// A digit that the gallery lacks becomes known, and is forgotten again.
    fn enrol_and_remove(&mut self) -> Result<(), Failure> {
        let mut shots = new_digits();
        let mut ids = [None; CAPACITY];
        println!("before: {}", self.count_new(shots.clone().skip(CAPACITY))?);
        for (id, shot) in ids.iter_mut().zip(&mut shots) {
            let embedding = self.model.embed(shot.image, self.workspace)?;
            *id = Some(self.gallery.enrol("9", &embedding)?);
            println!("enrolled image {} as item {}", shot.number, id.unwrap_or_default());
        }
        let others = shots;
        println!("after: {}", self.count_new(others.clone())?);
        if let Some(shot) = others.clone().next() {
            let embedding = self.model.embed(shot.image, self.workspace)?;
            let full = self.gallery.enrol("9", &embedding);
            check(full == Err(GalleryError::Full), "a full gallery says so")?;
            println!("one more: {}", GalleryError::Full);
        }
        for id in ids.into_iter().flatten() {
            self.gallery.remove(id)?;
            check(
                self.gallery.remove(id) == Err(GalleryError::UnknownId),
                "a removed item is gone",
            )?;
        }
        println!("removed them: {}", self.count_new(others)?);
        Ok(())
    }

    /// Enrols the new digit in flash, and forgets one image of it again.
    fn remember(&mut self, enrolments: &mut Enrolments) -> Result<(), Failure> {
        let mut first = None;
        for shot in new_digits().take(CAPACITY) {
            let embedding = self.model.embed(shot.image, self.workspace)?;
            let id = enrolments.enrol("9", &embedding)?;
            first = first.or(Some(id));
            println!("stored image {} as item {id}", shot.number);
        }
        let first = first.ok_or(Failure::Check("there are images of the new digit"))?;
        enrolments.remove(first)?;
        println!("removed item {first}; {} are stored", enrolments.len()?);
        Ok(())
    }

    /// What was stored before the restart is known, what was removed is not,
    /// and its id stays its own.
    fn recall(&mut self, enrolments: &mut Enrolments) -> Result<(), Failure> {
        let first_id = self.gallery.len() as u32;
        let stored = enrolments.len()?;
        println!("restarted: {stored} items are stored");
        let left_out = persistence::load(enrolments, &mut self.gallery)?;
        check(left_out == 0, "the gallery takes every stored item")?;
        check(stored == CAPACITY as u32 - 1, "all that was stored is there")?;
        check(self.gallery.label(first_id).is_none(), "what was removed is gone")?;
        let found = self.count_new(new_digits().skip(CAPACITY))?;
        println!("from flash: {found}");
        check(found.nearest > 0, "the new digit is still known")?;
        let shot = new_digits().next().ok_or(Failure::Check("there is an image"))?;
        let embedding = self.model.embed(shot.image, self.workspace)?;
        let id = enrolments.enrol("9", &embedding)?;
        println!("stored image {} as item {id}", shot.number);
        check(id == first_id + CAPACITY as u32, "no id is given twice")
    }

    fn count_new(&mut self, queries: impl Iterator<Item = Query>) -> Result<Found, Failure> {
        let acceptance = self.model.acceptance().ok_or(Failure::Check("there is a threshold"))?;
        let (mut nearest, mut unknown, mut of) = (0, 0, 0);
        for query in queries {
            let embedding = self.model.embed(query.image, self.workspace)?;
            let matches: Matches<1> = self.gallery.search(&embedding);
            let first = matches.first().copied();
            nearest += usize::from(first.is_some_and(|found| self.shows(&found, NEW_DIGIT)));
            let recognition = Recognition::new(first, acceptance.threshold);
            unknown += usize::from(recognition.known().is_none());
            of += 1;
        }
        Ok(Found { nearest, unknown, of })
    }
}

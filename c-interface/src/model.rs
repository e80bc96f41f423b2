//! Models.

use core::ffi::c_void;
use core::mem::MaybeUninit;

use lookalike::{EmbedError, F32, Int8, SelfTestError, U8};

use crate::Status;
use crate::handle::{self, Handle};
use crate::memory::{Output, Span};

/// An open model: of floating-point or of quantised parameters, as the file says.
#[repr(C)]
pub struct Model {
    // What the state leaves free stays as it was: perhaps not initialised.
    opaque: [MaybeUninit<usize>; 60],
}

/// What a [`Model`] holds.
pub(crate) enum State {
    F32(lookalike::Model<'static, F32>),
    Int8(lookalike::Model<'static, Int8>),
}

/// Does the same with either model.
macro_rules! with_model {
    ($state:expr, $model:ident => $result:expr) => {
        match $state {
            State::F32($model) => $result,
            State::Int8($model) => $result,
        }
    };
}

impl State {
    fn open(file: &'static [u8]) -> Result<State, Status> {
        // The byte of the encoding: docs/model-format.md. A file that ends
        // before it is refused either way.
        const ENCODING: usize = 9;
        Ok(match file.get(ENCODING) {
            None | Some(0) => State::F32(lookalike::Model::from_bytes(file)?),
            Some(_) => State::Int8(lookalike::Model::from_bytes(file)?),
        })
    }

    /// Embeds an image and says where in the workspace the embedding lies.
    ///
    /// # Safety
    /// As [`Span::slice_mut`] for the workspace.
    unsafe fn embed(&self, image: &[u8], workspace: Span<u32>) -> Result<*const u32, EmbedError> {
        match self {
            State::F32(model) => {
                // SAFETY: the caller's promise.
                let workspace = unsafe { workspace.cast::<f32>().slice_mut() };
                Ok(model.embed(image, workspace)?.as_slice().as_ptr().cast())
            }
            State::Int8(model) => {
                // SAFETY: the caller's promise.
                let workspace = unsafe { workspace.slice_mut() };
                Ok(model.embed(image, workspace)?.as_slice().as_ptr())
            }
        }
    }

    /// # Safety
    /// As [`Span::slice_mut`] for the workspace.
    unsafe fn self_test(&self, workspace: Span<u32>) -> Result<usize, SelfTestError> {
        match self {
            // SAFETY: the caller's promise.
            State::F32(model) => model.self_test(unsafe { workspace.cast::<f32>().slice_mut() }),
            // SAFETY: the caller's promise.
            State::Int8(model) => model.self_test(unsafe { workspace.slice_mut() }),
        }
    }
}

impl Handle for Model {
    type State = State;

    const KIND: usize = 0x4C4B_4D6F;
}

const _: () = assert!(handle::fits::<Model>());

/// What a model takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Dimensions {
    /// Bytes of a pixel: 1 for grey, 3 for colour.
    pub channels: usize,
    /// Rows of the image.
    pub height: usize,
    /// Columns of the image.
    pub width: usize,
    /// Bytes of the image: height x width x channels.
    pub image_bytes: usize,
    /// Bytes of the workspace that `lookalike_model_embed` needs.
    pub workspace_bytes: usize,
    /// Words of 4 bytes of an embedding. What they hold depends on the model:
    /// only the library reads them.
    pub embedding_words: usize,
    /// A number that changes with everything that determines the embedding.
    pub fingerprint: u32,
}

/// Opens a model file where it lies, at an address that is a multiple of 4,
/// and checks all of it. The bytes must stay as they are while the model is
/// in use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lookalike_model_open(
    model: *mut Model,
    file: *const c_void,
    file_bytes: usize,
) -> Status {
    Status::of(|| {
        let make = || {
            // SAFETY: the caller keeps to the header's contract.
            let file = unsafe { Span::new(file.cast::<u8>(), file_bytes)?.slice() };
            State::open(file)
        };
        // SAFETY: as above.
        unsafe { handle::open(model, make) }
    })
}

/// What an open model takes and gives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lookalike_model_dimensions(
    model: *const Model,
    dimensions: *mut Dimensions,
) -> Status {
    Status::of(|| {
        let dimensions = Output::new(dimensions)?;
        // SAFETY: the caller keeps to the header's contract.
        let model = unsafe { handle::get(model)? };
        let (network, workspace_len, fingerprint) = with_model!(model, model => {
            (model.network(), model.workspace_len(), model.fingerprint())
        });
        let embedding_words = match model {
            State::F32(_) => network.embedding_len(),
            State::Int8(_) => U8::words(network.embedding_len()),
        };
        let input = network.input();
        let found = Dimensions {
            channels: input.channels,
            height: input.height,
            width: input.width,
            image_bytes: input.len(),
            workspace_bytes: workspace_len * size_of::<u32>(),
            embedding_words,
            fingerprint,
        };
        // SAFETY: as above.
        unsafe { dimensions.write(found) };
        Ok(())
    })
}

/// Embeds an image: height x width pixels in rows from the top, each of
/// `channels` bytes. `embedding` then points to the embedding's words; they
/// lie at the start of the workspace, until that is used again.
///
/// The workspace's address is a multiple of 4; what it held does not matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lookalike_model_embed(
    model: *const Model,
    image: *const u8,
    image_bytes: usize,
    workspace: *mut c_void,
    workspace_bytes: usize,
    embedding: *mut *const u32,
) -> Status {
    Status::of(|| {
        let image = Span::new(image, image_bytes)?;
        let workspace = Span::new(workspace.cast::<u32>(), workspace_bytes / size_of::<u32>())?;
        workspace.disjoint(image)?;
        let embedding = Output::new(embedding)?;
        // SAFETY: the caller keeps to the header's contract.
        let (model, image) = unsafe { (handle::get(model)?, image.slice()) };
        // SAFETY: as above; any bits are a word of either model, and the
        // workspace is apart from the image.
        let found = unsafe { model.embed(image, workspace)? };
        // SAFETY: as above.
        unsafe { embedding.write(found) };
        Ok(())
    })
}

/// Embeds the images that the model file keeps for this and compares the
/// embeddings with those kept beside them: it finds a wrong compiler flag or
/// damaged memory before a user does. The workspace is that of
/// `lookalike_model_embed`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lookalike_model_self_test(
    model: *const Model,
    workspace: *mut c_void,
    workspace_bytes: usize,
) -> Status {
    Status::of(|| {
        let workspace = Span::new(workspace.cast::<u32>(), workspace_bytes / size_of::<u32>())?;
        // SAFETY: the caller keeps to the header's contract.
        let model = unsafe { handle::get(model)? };
        // SAFETY: as above; any bits are a word of either model.
        unsafe { model.self_test(workspace)? };
        Ok(())
    })
}

/// What the distance of an [`Acceptance`] is measured to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Rule {
    /// The nearest item of the gallery.
    NearestItem = 0,
    /// The nearest mean of a label's items.
    NearestPrototype = 1,
}

/// When a thing counts as recognised: if its distance is at most the threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Acceptance {
    /// Largest squared Euclidean distance that is accepted, from 0 to 4.
    pub threshold: f32,
    /// The share of impostors that it was calibrated to accept, from 0 to 1.
    pub false_accept_rate: f32,
    /// What the distance is measured to.
    pub rule: Rule,
}

/// The threshold that was calibrated for the model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lookalike_model_acceptance(
    model: *const Model,
    acceptance: *mut Acceptance,
) -> Status {
    Status::of(|| {
        let acceptance = Output::new(acceptance)?;
        // SAFETY: the caller keeps to the header's contract.
        let model = unsafe { handle::get(model)? };
        let found = with_model!(model, model => model.acceptance()).ok_or(Status::NoAcceptance)?;
        let rule = match found.rule {
            lookalike::Rule::NearestItem => Rule::NearestItem,
            lookalike::Rule::NearestPrototype => Rule::NearestPrototype,
            _ => return Err(Status::Other),
        };
        let lookalike::Acceptance { threshold, false_accept_rate, .. } = found;
        // SAFETY: as above.
        unsafe { acceptance.write(Acceptance { threshold, false_accept_rate, rule }) };
        Ok(())
    })
}

//! Models.

use core::ffi::c_void;

use lookalike::F32;

use crate::Status;
use crate::handle::{self, Handle};
use crate::memory::{Output, Span};

/// An open model.
#[repr(C)]
pub struct Model {
    opaque: [usize; 20],
}

impl Handle for Model {
    type State = lookalike::Model<'static, F32>;

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
    /// Values of an embedding.
    pub embedding_len: usize,
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
            Ok(lookalike::Model::from_bytes(file)?)
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
        let network = model.network();
        let input = network.input();
        let found = Dimensions {
            channels: input.channels,
            height: input.height,
            width: input.width,
            image_bytes: input.len(),
            workspace_bytes: model.workspace_len() * size_of::<f32>(),
            embedding_len: network.embedding_len(),
            fingerprint: model.fingerprint(),
        };
        // SAFETY: as above.
        unsafe { dimensions.write(found) };
        Ok(())
    })
}

/// Embeds an image: height x width pixels in rows from the top, each of
/// `channels` bytes. `embedding` then points to the embedding's values; they
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
    embedding: *mut *const f32,
) -> Status {
    Status::of(|| {
        let image = Span::new(image, image_bytes)?;
        let workspace = Span::new(workspace.cast::<f32>(), workspace_bytes / size_of::<f32>())?;
        workspace.disjoint(image)?;
        let embedding = Output::new(embedding)?;
        // SAFETY: the caller keeps to the header's contract; any bits are a
        // float, and the workspace is apart from the image.
        let (model, image, workspace) =
            unsafe { (handle::get(model)?, image.slice(), workspace.slice_mut()) };
        let found = model.embed(image, workspace)?.as_slice().as_ptr();
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
        let workspace = Span::new(workspace.cast::<f32>(), workspace_bytes / size_of::<f32>())?;
        // SAFETY: the caller keeps to the header's contract; any bits are a float.
        let (model, workspace) = unsafe { (handle::get(model)?, workspace.slice_mut()) };
        model.self_test(workspace)?;
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
        let found = model.acceptance().ok_or(Status::NoAcceptance)?;
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

//! The encoding of the model's parameters, chosen by the cargo feature `int8`:
//! all that sets a quantised model apart in this application.

#[cfg(not(feature = "int8"))]
pub use float::*;
#[cfg(feature = "int8")]
pub use int8::*;

/// The code of the embeddings.
pub type Code = <Parameters as lookalike::Encoding>::Code;
/// What embeddings and the workspace are made of.
pub type Word = lookalike::code::Word<Code>;

#[cfg(not(feature = "int8"))]
mod float {
    use crate::assets::NETWORK;

    pub type Parameters = lookalike::F32;
    /// Words of an embedding.
    pub const WORDS: usize = NETWORK.embedding_len();
    /// The memory that `embed` works in.
    pub type Workspace = [f32; NETWORK.workspace_len()];
    /// An empty workspace.
    pub const WORKSPACE: Workspace = [0.0; NETWORK.workspace_len()];
}

#[cfg(feature = "int8")]
mod int8 {
    use lookalike::{Packing, U8};

    use crate::assets::NETWORK;

    pub type Parameters = lookalike::Int8;
    /// Words of an embedding.
    pub const WORDS: usize = U8::words(NETWORK.embedding_len());
    const PACKING: Packing =
        if cfg!(feature = "microbit") { Packing::Compact } else { Packing::Fast };
    const LEN: usize = NETWORK.int8_workspace_len(PACKING);
    /// The memory that `embed` works in.
    pub type Workspace = [u32; LEN];
    /// An empty workspace.
    pub const WORKSPACE: Workspace = [0; LEN];
}

/// The largest difference between values of two embeddings: of normalised
/// ones, or of bytes.
pub fn difference(found: &[Word], expected: &[Word]) -> f32 {
    #[cfg(not(feature = "int8"))]
    let differences = found.iter().zip(expected).map(|(x, y)| (x - y).abs());
    #[cfg(feature = "int8")]
    let differences = found.iter().zip(expected).map(|(x, y)| if x == y { 0.0 } else { 255.0 });
    differences.fold(0.0, f32::max)
}

//! A model and a gallery of one's own, and what sizes the buffers for them: all
//! of it read from the files when the program is built.

use lookalike::Network;

include!(concat!(env!("OUT_DIR"), "/own.rs"));

/// The code of the embeddings.
pub type Code = <Parameters as lookalike::Encoding>::Code;
/// What embeddings and the workspace are made of.
pub type Word = lookalike::code::Word<Code>;
/// The memory that `embed` works in.
pub type Workspace = [Word; LEN];

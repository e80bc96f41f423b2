//! How a model's parameters are encoded.

use crate::Code;

pub(super) mod sealed {
    use core::fmt::Debug;

    use crate::code::sealed::Sealed as Words;
    use crate::model::ModelError;
    use crate::{Code, EmbedError, Embedding, FileError, Network};

    pub trait Sealed: Copy + Debug {
        /// The code of the embeddings.
        type Embedded: Code + Words<Word = Self::Word>;

        /// What the forward pass works in, and embeddings are made of.
        type Word: bytemuck::Pod + Debug + Default + PartialEq;

        /// Parameters to be written.
        type Plain<'a>: Copy + Debug;

        /// Parameters where they lie in a file.
        type Packed<'a>: Copy + Debug;

        /// The number that stands for this encoding in a file.
        fn number(plain: &Self::Plain<'_>) -> u8;

        /// Checks that the parameters are a network's.
        fn check(network: &Network, plain: &Self::Plain<'_>) -> Result<(), ModelError>;

        /// Bytes of the packed parameters, a multiple of 4.
        fn packed_bytes(network: &Network, plain: &Self::Plain<'_>) -> usize;

        /// Packs into the body of a file and gives the fingerprint.
        fn pack(
            network: &Network,
            plain: &Self::Plain<'_>,
            body: &mut [u8],
        ) -> Result<u32, FileError>;

        /// Checks the parameters in the body of a file, and gives them and the
        /// bytes after them.
        fn open<'a>(
            number: u8,
            network: &Network,
            body: &'a [u8],
        ) -> Result<(Self::Packed<'a>, &'a [u8]), ModelError>;

        /// Words of [`embed`](Sealed::embed)'s workspace.
        fn workspace_len(network: &Network, packed: &Self::Packed<'_>) -> usize;

        /// Embeds an image; the embedding lies in the workspace.
        fn embed<'w>(
            network: &Network,
            packed: &Self::Packed<'_>,
            image: &[u8],
            workspace: &'w mut [Self::Word],
        ) -> Result<Embedding<'w, Self::Embedded>, EmbedError>;

        /// The features of an image before normalisation, as the classifier
        /// takes them, and its weights and biases.
        fn classifier<'a, 'w>(
            network: &Network,
            packed: &'a Self::Packed<'_>,
            image: &[u8],
            workspace: &'w mut [Self::Word],
        ) -> Result<([&'a [f32]; 2], &'w [f32]), EmbedError>;

        /// Values of the projected embeddings that the model's coder makes, if
        /// it makes any.
        fn projected_len(packed: &Self::Packed<'_>) -> Option<usize>;

        /// Words of an embedding.
        fn embedding_words(network: &Network) -> usize;

        /// Whether words can be an embedding, to be expected of a self-test.
        fn is_embedding(words: &[Self::Word]) -> bool;

        /// By how much a value differs from what a self-test expects, if that
        /// is more than it lets pass.
        fn difference(found: &[Self::Word], expected: &[Self::Word]) -> Option<f32>;
    }
}

/// An encoding of a model's parameters: [`F32`](crate::F32) or [`Int8`](crate::Int8).
pub trait Encoding: sealed::Sealed {
    /// The code of the embeddings that the model makes.
    type Code: Code;
}

//! Rust source for a model and a gallery of one's own: what sizes the buffers
//! at compile time is read from the files.

use std::path::{Path, PathBuf};

use lookalike::{Encoding, F32, GalleryFile, Int8, Model, ModelError, Network, Packing};

use crate::variable_of;

/// What the constants of `src/own.rs` are made of.
struct Own {
    network: Network,
    /// `None` for f32.
    packing: Option<Packing>,
}

/// The constants and statics of `src/own.rs`.
pub fn source() -> String {
    let model = file("LOOKALIKE_MODEL").expect("LOOKALIKE_MODEL names a model file");
    let gallery = file("LOOKALIKE_GALLERY").expect("LOOKALIKE_GALLERY names a gallery file");
    let bytes = Aligned::read(&model);
    let own = match Model::<F32>::from_bytes(bytes.as_slice()) {
        Err(ModelError::Encoding { .. }) => {
            let opened = Model::<Int8>::from_bytes(bytes.as_slice());
            let opened = opened.unwrap_or_else(|error| panic!("{}: {error}", model.display()));
            check_gallery(&opened, &gallery);
            Own { network: *opened.network(), packing: Some(opened.packing()) }
        }
        opened => {
            let opened = opened.unwrap_or_else(|error| panic!("{}: {error}", model.display()));
            check_gallery(&opened, &gallery);
            Own { network: *opened.network(), packing: None }
        }
    };
    let included = |name: &str, path: &Path| {
        format!("pub static {name}: &[u8] = lookalike::include_model!({path:?});\n")
    };
    // Photos are for the program that shows what is recognised.
    let images =
        file("LOOKALIKE_IMAGES").map_or("&[]".into(), |p| format!("include_bytes!({p:?})"));
    let labels = file("LOOKALIKE_LABELS").map_or("\"\"".into(), |p| format!("include_str!({p:?})"));
    own.constants()
        + &included("MODEL", &model)
        + &included("GALLERY", &gallery)
        + &format!("pub static IMAGES: &[u8] = {images};\npub static LABELS: &str = {labels};\n")
}

impl Own {
    fn constants(&self) -> String {
        let (encoding, words, workspace, zero) = match self.packing {
            None => ("F32", "NETWORK.embedding_len()", "workspace_len()".into(), "0.0"),
            Some(packing) => (
                "Int8",
                "lookalike::U8::words(NETWORK.embedding_len())",
                format!("int8_workspace_len(lookalike::Packing::{packing:?})"),
                "0",
            ),
        };
        let (network, input) = (self.network, self.network.input());
        format!(
            "/// The network that the buffers are sized for.\n\
             pub const NETWORK: Network = match Network::new({:?}, {:?}, {}, {}) {{\n\
             Ok(network) => network,\n\
             Err(_) => panic!(\"the model was opened\"),\n\
             }};\n\
             pub type Parameters = lookalike::{encoding};\n\
             /// Words of an embedding.\n\
             pub const WORDS: usize = {words};\n\
             const LEN: usize = NETWORK.{workspace};\n\
             /// An empty workspace.\n\
             pub const WORKSPACE: Workspace = [{zero}; LEN];\n",
            [input.channels, input.height, input.width],
            network.widths(),
            network.grid(),
            network.classes(),
        )
    }
}

/// A file that an environment variable names, relative to the top of the repository.
fn file(variable: &str) -> Option<PathBuf> {
    let top = Path::new("..").canonicalize().expect("the repository is above");
    let path = top.join(variable_of(variable)?);
    println!("cargo::rerun-if-changed={}", path.display());
    Some(path)
}

/// The gallery must hold the model's own embeddings in their own code.
fn check_gallery<E: Encoding>(model: &Model<'_, E>, path: &Path) {
    let bytes = Aligned::read(path);
    let gallery = GalleryFile::<E::Code>::from_bytes(bytes.as_slice());
    let gallery = gallery.unwrap_or_else(|error| {
        panic!("{}: {error}; make it with `trainer gallery` without --code", path.display())
    });
    let same = gallery.fingerprint() == model.fingerprint();
    assert!(same, "{}: made by another model", path.display());
}

/// A file's bytes at an address that suits its values.
struct Aligned {
    words: Vec<u32>,
    len: usize,
}

impl Aligned {
    fn read(path: &Path) -> Aligned {
        let bytes =
            std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut words = vec![0; bytes.len().div_ceil(4)];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(&bytes);
        Aligned { words, len: bytes.len() }
    }

    fn as_slice(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }
}

//! A model or gallery as Rust or C source, for firmware that has no file
//! system and whose build includes no binary files.
//!
//! The source holds the file byte for byte, aligned to 16 bytes as the core
//! wants it, and the sizes of the memory that using it takes. It depends on
//! nothing but the bytes: the same file gives the same source.

use std::io::{self, Write};
use std::path::Path;

use lookalike::U8;

use super::{
    AlignedBytes, GalleryIoError, LoadedGallery, LoadedModel, ModelIoError, WriteError, gallery,
    model, write_atomically,
};

/// A file that firmware holds.
#[derive(Clone, Debug)]
pub enum FirmwareFile {
    /// A model of either encoding.
    Model(Box<LoadedModel>),
    /// A gallery of any code.
    Gallery(LoadedGallery),
}

/// Why a file is neither a model nor a gallery.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareFileError {
    /// It is no model, and does not begin as a gallery.
    #[error(transparent)]
    Model(#[from] ModelIoError),
    /// It begins as a gallery but is none.
    #[error(transparent)]
    Gallery(#[from] GalleryIoError),
}

/// A language of firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// A Rust module.
    Rust,
    /// A C file that defines the array.
    C,
    /// A C header that declares it.
    CHeader,
}

impl FirmwareFile {
    /// Reads and checks a model or gallery, told apart by their first bytes.
    ///
    /// # Errors
    /// When it cannot be read or is not a whole file of a known version.
    pub fn load(path: &Path) -> Result<FirmwareFile, FirmwareFileError> {
        let is_ours =
            |head: &[u8]| head.starts_with(gallery::MAGIC) || head.starts_with(model::MAGIC);
        let bytes = AlignedBytes::read_if(path, is_ours).map_err(ModelIoError::Read)?;
        Ok(if bytes.starts_with(gallery::MAGIC) {
            FirmwareFile::Gallery(gallery::check(path, bytes)?)
        } else {
            FirmwareFile::Model(Box::new(model::check(path, bytes)?))
        })
    }

    /// Writes the file as source. `name` becomes the array's name in C, in
    /// small letters, digits and underscores, with the file's kind at its end.
    ///
    /// # Errors
    /// The file cannot be written; what was there before is unchanged.
    pub fn write_source(
        &self,
        path: &Path,
        language: Language,
        name: &str,
    ) -> Result<(), WriteError> {
        let source = Source { file: self, name: c_name(name, self.kind()) };
        write_atomically(path, |out| match language {
            Language::Rust => source.rust(out),
            Language::C => source.c(out),
            Language::CHeader => source.c_header(out),
        })
    }

    fn kind(&self) -> &'static str {
        match self {
            FirmwareFile::Model(_) => "model",
            FirmwareFile::Gallery(_) => "gallery",
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            FirmwareFile::Model(model) => model.file(),
            FirmwareFile::Gallery(gallery) => gallery.file(),
        }
    }

    /// What the file is, a line each, in words that end no comment.
    fn about(&self) -> Vec<String> {
        match self {
            FirmwareFile::Model(model) => {
                let (network, input) = (&model.network, model.network.input());
                let encoding = if model.quantized().is_some() { "int8" } else { "f32" };
                vec![
                    format!(
                        "A model of lookalike, {encoding}, fingerprint {:08x}.",
                        model.fingerprint
                    ),
                    format!(
                        "Input {}x{}x{} (height x width x channels), embedding of {} dimensions, \
                         {} classes.",
                        input.height,
                        input.width,
                        input.channels,
                        network.embedding_len(),
                        network.classes()
                    ),
                ]
            }
            FirmwareFile::Gallery(gallery) => vec![
                format!(
                    "A gallery of lookalike, {}, of the model with fingerprint {:08x}.",
                    gallery.code().name(),
                    gallery.fingerprint()
                ),
                format!(
                    "{} items, embeddings of {} dimensions.",
                    gallery.labels().len(),
                    gallery.dimension()
                ),
            ],
        }
    }

    /// Sizes that firmware needs when it is compiled: name, value, meaning.
    fn sizes(&self) -> Vec<(&'static str, usize, &'static str)> {
        match self {
            FirmwareFile::Model(model) => {
                let network = &model.network;
                let (workspace, embedding) = match model.quantized() {
                    None => (network.workspace_len(), network.embedding_len()),
                    Some(quantized) => (
                        network.int8_workspace_len(quantized.packing),
                        U8::words(network.embedding_len()),
                    ),
                };
                vec![
                    ("IMAGE_BYTES", network.input().len(), "Bytes of an image."),
                    ("WORKSPACE_WORDS", workspace, "Words of 4 bytes of the workspace."),
                    ("EMBEDDING_WORDS", embedding, "Words of 4 bytes of an embedding."),
                ]
            }
            FirmwareFile::Gallery(gallery) => {
                vec![("ITEMS", gallery.labels().len(), "Number of items.")]
            }
        }
    }
}

/// A C identifier that ends in the file's kind: `digits` gives `digits_model`.
pub fn c_name(name: &str, kind: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let mut identifier: String = name.chars().map(letter).collect();
    if !identifier.starts_with(|c: char| c.is_ascii_alphabetic()) {
        identifier.insert_str(0, "lookalike_");
    }
    if identifier != kind && !identifier.ends_with(&format!("_{kind}")) {
        identifier = format!("{identifier}_{kind}");
    }
    identifier
}

/// Bytes on a line of source.
const LINE: usize = 20;

struct Source<'a> {
    file: &'a FirmwareFile,
    /// In C.
    name: String,
}

impl Source<'_> {
    fn rust(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "// Made by `trainer export`. {}", self.file.about().join("\n// "))?;
        for (name, value, meaning) in self.file.sizes() {
            writeln!(
                out,
                "\n/// {meaning}\n#[allow(dead_code)]\npub const {name}: usize = {value};"
            )?;
        }
        let (bytes, kind) = (self.file.bytes(), self.file.kind());
        write!(
            out,
            "\n/// The {kind}, aligned to 16 bytes.\n\
             #[rustfmt::skip]\n\
             pub static {}: &[u8] = {{\n\
             \x20   #[repr(C, align(16))]\n\
             \x20   struct Aligned([u8; {}]);\n\
             \x20   static FILE: Aligned = Aligned(*b\"",
            kind.to_ascii_uppercase(),
            bytes.len(),
        )?;
        for line in bytes.chunks(LINE) {
            // A backslash at its end lets the text go on in the next line.
            write!(out, "\\\n        ")?;
            line.iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"))?;
        }
        writeln!(out, "\");\n    &FILE.0\n}};")
    }

    fn c(&self, out: &mut dyn Write) -> io::Result<()> {
        self.c_comment(out)?;
        write!(
            out,
            "#include <stdint.h>\n\
             \n\
             #if defined(__cplusplus)\n\
             extern \"C\" alignas(16)\n\
             #elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L\n\
             _Alignas(16)\n\
             #elif defined(__GNUC__)\n\
             __attribute__((aligned(16)))\n\
             #else\n\
             #error \"put here how this compiler aligns an array to 16 bytes\"\n\
             #endif\n\
             const uint8_t {}[{}] = {{",
            self.name,
            self.file.bytes().len()
        )?;
        for line in self.file.bytes().chunks(LINE) {
            write!(out, "\n    ")?;
            line.iter().try_for_each(|byte| write!(out, "{byte},"))?;
        }
        writeln!(out, "\n}};")
    }

    fn c_header(&self, out: &mut dyn Write) -> io::Result<()> {
        let (name, bytes) = (&self.name, self.file.bytes().len());
        let prefix = name.to_ascii_uppercase();
        self.c_comment(out)?;
        write!(
            out,
            "#ifndef {prefix}_H\n#define {prefix}_H\n\n\
             #include <stdint.h>\n\n\
             #ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n\
             /* The file, aligned to 16 bytes, and its length. */\n\
             #define {prefix}_BYTES {bytes}\n\
             extern const uint8_t {name}[{prefix}_BYTES];\n\n"
        )?;
        for (size, value, meaning) in self.file.sizes() {
            writeln!(out, "/* {meaning} */\n#define {prefix}_{size} {value}")?;
        }
        write!(out, "\n#ifdef __cplusplus\n}}\n#endif\n\n#endif\n")
    }

    fn c_comment(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "/* Made by `trainer export`. {} */", self.file.about().join("\n * "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_file_name_gives_an_identifier() {
        for (name, wanted) in [
            ("digits", "digits_model"),
            ("digits_model", "digits_model"),
            ("model", "model"),
            ("Digits.int8", "digits_int8_model"),
            ("8 digits", "lookalike_8_digits_model"),
            ("_x", "lookalike__x_model"),
            ("zahlen-groß*/", "zahlen_gro____model"),
            ("", "lookalike__model"),
        ] {
            assert_eq!(c_name(name, "model"), wanted, "{name}");
        }
        assert_eq!(c_name("digits_model", "gallery"), "digits_model_gallery");
    }
}

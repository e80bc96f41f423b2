//! Error codes.

use core::ffi::{CStr, c_char};

use lookalike::{
    EmbedError, EmbeddingError, FileError, GalleryError, GalleryFileError, ModelError,
    SelfTestError,
};

/// What became of a call. An error leaves outputs as they were and galleries
/// unchanged; a handle that could not be opened is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// A pointer is null.
    Null = 1,
    /// A pointer is not aligned for what it points to.
    Misaligned = 2,
    /// A length reaches beyond the end of the address space.
    Length = 3,
    /// Memory that is written overlaps with other memory of the call.
    Overlap = 4,
    /// The handle was not opened, or was copied to another address.
    Handle = 5,
    /// The bytes are no file of this kind.
    Magic = 6,
    /// The file has a version that this library does not read.
    Version = 7,
    /// The file ends before its last field.
    Truncated = 8,
    /// Bytes follow the file's checksum.
    TrailingBytes = 9,
    /// The file is damaged.
    Checksum = 10,
    /// The checksum fits, but a field or a value is out of its range.
    Content = 11,
    /// The file's values have an encoding that this library does not read.
    Encoding = 12,
    /// The image's number of bytes is not the network's.
    Image = 13,
    /// The workspace is too small.
    Workspace = 14,
    /// A value of an embedding is infinite or not a number.
    NotFinite = 15,
    /// The embedding's norm is above 1, or its words are not an embedding of a
    /// quantised model.
    NotNormalized = 16,
    /// The embedding does not have the gallery's number of words.
    Dimension = 17,
    /// The gallery file was made with another model.
    OtherModel = 18,
    /// There is no room for another item.
    Full = 19,
    /// The label is not UTF-8 of at most 32 bytes.
    Label = 20,
    /// Every id has been used.
    Ids = 21,
    /// The item lies in read-only memory.
    ReadOnly = 22,
    /// There is no item with this id.
    UnknownId = 23,
    /// The buffer is too small for the label.
    Buffer = 24,
    /// The model file keeps no images for a self-test.
    NoSelfTest = 25,
    /// The model's self-test failed.
    SelfTest = 26,
    /// The model has no acceptance threshold.
    NoAcceptance = 27,
    /// An error of a newer library that this interface has no code for.
    Other = 28,
}

impl Status {
    const ALL: [Status; 29] = [
        Status::Ok,
        Status::Null,
        Status::Misaligned,
        Status::Length,
        Status::Overlap,
        Status::Handle,
        Status::Magic,
        Status::Version,
        Status::Truncated,
        Status::TrailingBytes,
        Status::Checksum,
        Status::Content,
        Status::Encoding,
        Status::Image,
        Status::Workspace,
        Status::NotFinite,
        Status::NotNormalized,
        Status::Dimension,
        Status::OtherModel,
        Status::Full,
        Status::Label,
        Status::Ids,
        Status::ReadOnly,
        Status::UnknownId,
        Status::Buffer,
        Status::NoSelfTest,
        Status::SelfTest,
        Status::NoAcceptance,
        Status::Other,
    ];

    const fn message(self) -> &'static CStr {
        match self {
            Status::Ok => c"done",
            Status::Null => c"a pointer is null",
            Status::Misaligned => c"a pointer is not aligned for what it points to",
            Status::Length => c"a length reaches beyond the end of the address space",
            Status::Overlap => c"memory that is written overlaps with other memory of the call",
            Status::Handle => c"the handle was not opened, or was copied to another address",
            Status::Magic => c"the bytes are no file of this kind",
            Status::Version => c"the file has a version that this library does not read",
            Status::Truncated => c"the file ends too early",
            Status::TrailingBytes => c"the file goes on after its checksum",
            Status::Checksum => c"the file is damaged: its checksum does not fit",
            Status::Content => c"the file has a field or a value that is out of range",
            Status::Encoding => c"the file's values have an encoding that is not supported",
            Status::Image => c"the image does not have the number of bytes of the network's input",
            Status::Workspace => c"the workspace is too small",
            Status::NotFinite => c"a value of the embedding is not a finite number",
            Status::NotNormalized => c"the words are not an embedding: its norm is wrong",
            Status::Dimension => c"the embedding does not have the gallery's number of words",
            Status::OtherModel => c"the gallery was made with another model",
            Status::Full => c"the gallery is full",
            Status::Label => c"a label must be UTF-8 of at most 32 bytes",
            Status::Ids => c"the gallery has used up its ids",
            Status::ReadOnly => c"the item lies in read-only memory",
            Status::UnknownId => c"there is no item with this id",
            Status::Buffer => c"the buffer is too small for the label",
            Status::NoSelfTest => c"the model has no images for a self-test",
            Status::SelfTest => c"the self-test failed: an embedding is not the expected one",
            Status::NoAcceptance => c"the model has no acceptance threshold",
            Status::Other => c"an error without a code of its own",
        }
    }

    /// Runs the body of a function of the interface.
    pub(crate) fn of(body: impl FnOnce() -> Result<(), Status>) -> Status {
        match body() {
            Ok(()) => Status::Ok,
            Err(status) => status,
        }
    }
}

/// A sentence for a status, in static memory; also for a number that is none.
#[unsafe(no_mangle)]
pub extern "C" fn lookalike_status_message(status: i32) -> *const c_char {
    let known = Status::ALL.iter().find(|known| **known as i32 == status);
    known.map_or(c"this is not a status of the library", |known| known.message()).as_ptr()
}

impl From<FileError> for Status {
    fn from(error: FileError) -> Status {
        match error {
            FileError::Magic { .. } => Status::Magic,
            FileError::Version { .. } => Status::Version,
            FileError::Truncated => Status::Truncated,
            FileError::TrailingBytes => Status::TrailingBytes,
            FileError::Checksum => Status::Checksum,
            FileError::Malformed => Status::Content,
            FileError::Misaligned => Status::Misaligned,
            _ => Status::Other,
        }
    }
}

impl From<ModelError> for Status {
    fn from(error: ModelError) -> Status {
        match error {
            ModelError::File(error) => error.into(),
            ModelError::Encoding { .. } => Status::Encoding,
            _ => Status::Content,
        }
    }
}

impl From<GalleryFileError> for Status {
    fn from(error: GalleryFileError) -> Status {
        match error {
            GalleryFileError::File(error) => error.into(),
            GalleryFileError::Code { .. } => Status::Encoding,
            _ => Status::Content,
        }
    }
}

impl From<EmbedError> for Status {
    fn from(error: EmbedError) -> Status {
        match error {
            EmbedError::Image { .. } => Status::Image,
            EmbedError::Workspace { .. } => Status::Workspace,
            EmbedError::NotFinite => Status::NotFinite,
            _ => Status::Other,
        }
    }
}

impl From<SelfTestError> for Status {
    fn from(error: SelfTestError) -> Status {
        match error {
            SelfTestError::Missing => Status::NoSelfTest,
            SelfTestError::Embed(error) => error.into(),
            SelfTestError::Differs { .. } => Status::SelfTest,
            _ => Status::Other,
        }
    }
}

impl From<EmbeddingError> for Status {
    fn from(error: EmbeddingError) -> Status {
        match error {
            EmbeddingError::NotFinite => Status::NotFinite,
            EmbeddingError::NotNormalized | EmbeddingError::Code => Status::NotNormalized,
            _ => Status::Other,
        }
    }
}

impl From<GalleryError> for Status {
    fn from(error: GalleryError) -> Status {
        match error {
            GalleryError::OtherModel { .. } => Status::OtherModel,
            GalleryError::Dimension { .. } => Status::Dimension,
            GalleryError::Full => Status::Full,
            GalleryError::Label => Status::Label,
            GalleryError::Ids => Status::Ids,
            GalleryError::ReadOnly => Status::ReadOnly,
            GalleryError::UnknownId => Status::UnknownId,
            _ => Status::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_count_up_and_each_has_its_own_message() {
        for (i, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, i);
            let same = Status::ALL.iter().filter(|other| other.message() == status.message());
            assert_eq!(same.count(), 1, "{status:?}");
            // SAFETY: the function returns C strings in static memory.
            let message = unsafe { CStr::from_ptr(lookalike_status_message(status as i32)) };
            assert_eq!(message, status.message());
        }
        for unknown in [-1, Status::ALL.len() as i32, i32::MAX] {
            // SAFETY: as above.
            let message = unsafe { CStr::from_ptr(lookalike_status_message(unknown)) };
            assert_eq!(message, c"this is not a status of the library");
        }
    }
}

//! PostgreSQL's binary COPY format, as its manual's page on `COPY` gives it,
//! with pgvector's `vector` as its function `vector_send` gives it: dimensions
//! and a zero of 16 bits each, then the values, all big-endian.

use std::io::{self, Write};

use super::EmbeddingTable;

/// The most dimensions of a `vector`: `VECTOR_MAX_DIM` of pgvector.
pub const LIMIT: usize = 16_000;

/// id, label, class name, embedding.
const COLUMNS: u16 = 4;

pub fn write(table: &EmbeddingTable<'_>, out: &mut dyn Write) -> io::Result<()> {
    // Signature, flags, length of the header's extension.
    out.write_all(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0")?;
    for (rows, embeddings) in table.blocks() {
        for (id, embedding) in rows.zip(embeddings.outer_iter()) {
            let values = embedding.to_slice().expect("standard layout");
            row(out, id as i64, table.data.labels[id], table.class_name(id), values)?;
        }
    }
    out.write_all(&(-1i16).to_be_bytes())
}

fn row(
    out: &mut dyn Write,
    id: i64,
    label: u16,
    class_name: &str,
    embedding: &[f32],
) -> io::Result<()> {
    let mut vector = (embedding.len() as u16).to_be_bytes().to_vec();
    vector.extend([0; 2]);
    vector.extend(embedding.iter().flat_map(|value| value.to_be_bytes()));
    out.write_all(&COLUMNS.to_be_bytes())?;
    field(out, &id.to_be_bytes())?;
    field(out, &i32::from(label).to_be_bytes())?;
    field(out, class_name.as_bytes())?;
    field(out, &vector)
}

fn field(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&(bytes.len() as u32).to_be_bytes())?;
    out.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_bytes_that_the_manual_gives() {
        let mut bytes = Vec::new();
        row(&mut bytes, 0x0102, 3, "ключ", &[1.0, -0.5]).unwrap();
        let expected = [
            b"\x00\x04".as_slice(),
            b"\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x01\x02",
            b"\x00\x00\x00\x04\x00\x00\x00\x03",
            b"\x00\x00\x00\x08\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87",
            b"\x00\x00\x00\x0c\x00\x02\x00\x00\x3f\x80\x00\x00\xbf\x00\x00\x00",
        ];
        assert_eq!(bytes, expected.concat());
    }
}

//! A data set out of two IDX files: images and their labels.

use lookalike::{Network, Shape};

use super::idx::{self, Idx};
use super::{DataError, Dataset};

/// Number of classes that a file of labels implies: its largest label plus 1.
///
/// # Errors
/// As [`read_labels`].
pub fn count_classes(labels: Idx<'_>) -> Result<usize, DataError> {
    let labels = read_labels(labels)?;
    Ok(labels.iter().max().map_or(0, |&label| usize::from(label) + 1))
}

/// Reads both files. Classes are `0` to `classes - 1` and named by their
/// numbers; without `classes` the largest label decides. Both headers are
/// compared before any pixel is read.
///
/// # Errors
/// Another rank than 1 for labels and 3 or 4 for images, different counts, no
/// image, images outside the network family, a label that is no class, and
/// whatever [`Idx::read`] finds.
pub fn load(
    images: Idx<'_>,
    labels: Idx<'_>,
    classes: Option<usize>,
) -> Result<Dataset, DataError> {
    let (image_count, shape) = image_shape(&images)?;
    if let &[label_count] = labels.dimensions()
        && label_count != image_count
    {
        return Err(DataError::Counts {
            images: images.path().to_path_buf(),
            labels: labels.path().to_path_buf(),
            image_count,
            label_count,
        });
    }
    if image_count == 0 {
        return Err(DataError::Empty { path: images.path().to_path_buf() });
    }

    let label_path = labels.path().to_path_buf();
    let labels = read_labels(labels)?;
    let largest = labels.iter().max().map_or(0, |&label| usize::from(label) + 1);
    let classes = classes.unwrap_or(largest);
    if let Some(index) = labels.iter().position(|&label| usize::from(label) >= classes) {
        return Err(DataError::Label { path: label_path, index, label: labels[index], classes });
    }

    let pixels = images.read()?;
    let class_names = (0..classes).map(|class| class.to_string()).collect();
    Ok(Dataset { shape, pixels, labels, class_names })
}

/// Number of images, and the shape of each.
fn image_shape(images: &Idx<'_>) -> Result<(usize, Shape), DataError> {
    let (count, height, width, channels) = match *images.dimensions() {
        [count, height, width] => (count, height, width, 1),
        [count, height, width, channels] => (count, height, width, channels),
        _ => return Err(images.rank_error("images have 3 (number, height, width) or 4")),
    };
    let sides = usize::from(Network::MIN_SIDE)..=usize::from(Network::MAX_SIDE);
    let depths = 1..=usize::from(Network::MAX_CHANNELS);
    if !sides.contains(&height) || !sides.contains(&width) || !depths.contains(&channels) {
        let path = images.path().to_path_buf();
        return Err(DataError::ImageSize { path, height, width, channels });
    }
    Ok((count, Shape { height, width, channels }))
}

/// A label is one byte, so it always fits the 4096 classes of the family.
fn read_labels(labels: Idx<'_>) -> Result<Vec<u16>, DataError> {
    if labels.dimensions().len() != 1 {
        return Err(labels.rank_error("labels have 1"));
    }
    Ok(labels.read()?.into_iter().map(u16::from).collect())
}

const _: () = assert!(u8::MAX as usize <= Network::MAX_CLASSES as usize);
const _: () = assert!(idx::MAX_BYTES / 18 / 18 < u32::MAX as usize, "an image index fits u32");

#[cfg(test)]
mod tests {
    use super::super::idx::tests::encode;
    use super::*;
    use std::path::Path;

    /// Loads a pair of files given as dimensions and elements.
    fn pair(
        images: (&[u32], &[u8]),
        labels: (&[u32], &[u8]),
        classes: Option<usize>,
    ) -> Result<Dataset, DataError> {
        let images = encode(images.0, images.1);
        let labels = encode(labels.0, labels.1);
        load(
            Idx::from_reader(Path::new("images"), images.as_slice())?,
            Idx::from_reader(Path::new("labels"), labels.as_slice())?,
            classes,
        )
    }

    fn error(images: &[u32], labels: &[u32], values: &[u8], classes: Option<usize>) -> String {
        let len = images.iter().product::<u32>() as usize;
        pair((images, &vec![0; len]), (labels, values), classes).unwrap_err().to_string()
    }

    #[test]
    fn images_and_labels_are_joined() {
        let pixels: Vec<u8> = (0..3 * 18 * 20).map(|i| i as u8).collect();
        let set = pair((&[3, 18, 20], &pixels), (&[3], &[4, 0, 1]), None).unwrap();
        assert_eq!(set.shape, Shape { height: 18, width: 20, channels: 1 });
        assert_eq!(set.labels, [4, 0, 1]);
        assert_eq!(set.class_names, ["0", "1", "2", "3", "4"]);
        assert_eq!(set.image(1), &pixels[360..720]);

        let colour = pair((&[1, 18, 20, 3], &pixels), (&[1], &[0]), Some(7)).unwrap();
        assert_eq!(colour.shape, Shape { height: 18, width: 20, channels: 3 });
        assert_eq!(colour.class_count(), 7);
    }

    #[test]
    fn each_mismatch_names_its_file() {
        let two: &[u32] = &[2, 18, 18];
        let cases = [
            (error(two, &[3], &[0, 1, 2], None), "images has 2 images but labels has 3 labels"),
            (error(&[0, 18, 18], &[0], &[], None), "images: holds no image"),
            (error(&[2, 17, 18], &[2], &[0, 1], None), "images: images of 17x18 pixels"),
            (error(&[2, 18, 1025], &[2], &[0, 1], None), "images: images of 18x1025 pixels"),
            (error(&[1, 18, 18, 17], &[1], &[0], None), "with 17 channels"),
            (error(&[2], &[2], &[0, 1], None), "images: has 1 dimensions"),
            (error(two, &[2, 1], &[0, 1], None), "labels: has 2 dimensions"),
            (
                error(two, &[2], &[0, 10], Some(10)),
                "labels: label 1 is 10, but the classes are 0 to 9",
            ),
            (error(two, &[2], &[0], None), "labels: truncated: holds 1 of the 2 bytes"),
        ];
        for (message, wanted) in cases {
            assert!(message.contains(wanted), "{message:?} lacks {wanted:?}");
        }
    }

    #[test]
    fn classes_are_counted() {
        let count = |labels: &[u8]| {
            let file = encode(&[labels.len() as u32], labels);
            count_classes(Idx::from_reader(Path::new("labels"), file.as_slice()).unwrap()).unwrap()
        };
        assert_eq!(count(&[3, 1, 3]), 4);
        assert_eq!(count(&[255]), 256);
        assert_eq!(count(&[]), 0);
    }
}

//! A set of labelled images in memory.

use lookalike::Shape;

use super::DataError;

/// Labelled images of one size.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Height, width and channels of every image.
    pub shape: Shape,
    /// The pixels of all images, one after another, each channels-last.
    pub pixels: Vec<u8>,
    /// The class of each image, an index into `class_names`.
    pub labels: Vec<u16>,
    /// A name for each class.
    pub class_names: Vec<String>,
}

impl Dataset {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of classes, those without an image included.
    pub fn class_count(&self) -> usize {
        self.class_names.len()
    }

    /// The pixels of image `index`.
    ///
    /// # Panics
    /// When `index` is not below [`Dataset::len`].
    pub fn image(&self, index: usize) -> &[u8] {
        let len = self.shape.len();
        &self.pixels[index * len..(index + 1) * len]
    }

    /// A copy of the images at `indices`, in that order. Classes keep their
    /// numbers and names, also those that are left without an image.
    ///
    /// # Panics
    /// When an index is not below [`Dataset::len`].
    pub fn subset(&self, indices: &[u32]) -> Dataset {
        let mut pixels = Vec::with_capacity(indices.len() * self.shape.len());
        for &i in indices {
            pixels.extend_from_slice(self.image(i as usize));
        }
        Dataset {
            shape: self.shape,
            pixels,
            labels: indices.iter().map(|&i| self.labels[i as usize]).collect(),
            class_names: self.class_names.clone(),
        }
    }

    /// The numbers of classes that are given by name or by number. What is both
    /// the name of one class and the number of another is the name.
    ///
    /// # Errors
    /// [`DataError::NoSuchClass`] for what is neither.
    pub fn class_numbers(&self, classes: &[String]) -> Result<Vec<u16>, DataError> {
        let number = |class: &String| {
            let named = self.class_names.iter().position(|name| name == class);
            let number = named.or_else(|| class.parse().ok().filter(|&n| n < self.class_count()));
            number.and_then(|number| u16::try_from(number).ok()).ok_or_else(|| {
                let classes = self.class_names.clone();
                DataError::NoSuchClass { class: class.clone(), classes }
            })
        };
        classes.iter().map(number).collect()
    }

    /// The images whose class is in `only` (all classes when `only` is empty)
    /// and not in `exclude`. Classes keep their numbers and names, so that a
    /// model trained on some of them can be measured on the others.
    ///
    /// # Errors
    /// [`DataError::UnknownClass`] for a class not below
    /// [`Dataset::class_count`], [`DataError::EmptySelection`] when no image
    /// is left.
    pub fn filter_classes(&self, only: &[u16], exclude: &[u16]) -> Result<Dataset, DataError> {
        let classes = self.class_count();
        if let Some(&class) = only.iter().chain(exclude).find(|&&c| usize::from(c) >= classes) {
            return Err(DataError::UnknownClass { class, classes });
        }
        let mut keep = vec![only.is_empty(); classes];
        for &class in only {
            keep[usize::from(class)] = true;
        }
        for &class in exclude {
            keep[usize::from(class)] = false;
        }
        let indices: Vec<u32> = self.indices(|label| keep[usize::from(label)]);
        if indices.is_empty() {
            return Err(DataError::EmptySelection);
        }
        Ok(self.subset(&indices))
    }

    /// The first `count` images of each class (all of a class that has fewer),
    /// in the order of this set.
    pub fn first_per_class(&self, count: usize) -> Dataset {
        let mut taken = vec![0; self.class_count()];
        let indices: Vec<u32> = self.indices(|label| {
            let taken = &mut taken[usize::from(label)];
            *taken += 1;
            *taken <= count
        });
        self.subset(&indices)
    }

    /// Indices, ascending, of the images whose label is kept.
    fn indices(&self, mut keep: impl FnMut(u16) -> bool) -> Vec<u32> {
        (0u32..).zip(&self.labels).filter(|&(_, &label)| keep(label)).map(|(i, _)| i).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images of 1x2 pixels; image i holds i and its label. Class 3 is empty.
    fn tiny() -> Dataset {
        let labels = vec![2, 0, 1, 2, 0, 2];
        Dataset {
            shape: Shape { height: 1, width: 2, channels: 1 },
            pixels: (0u8..).zip(&labels).flat_map(|(i, &l)| [i, l as u8]).collect(),
            labels,
            class_names: ["a", "b", "c", "d"].map(String::from).to_vec(),
        }
    }

    /// Which images of `tiny` a set holds, having checked that labels and
    /// pixels still belong together.
    fn ids(set: &Dataset) -> Vec<u8> {
        assert_eq!(set.class_count(), 4);
        assert_eq!(set.pixels.len(), set.len() * set.shape.len());
        (0..set.len())
            .map(|i| {
                assert_eq!(u16::from(set.image(i)[1]), set.labels[i]);
                set.image(i)[0]
            })
            .collect()
    }

    #[test]
    fn classes_are_kept_and_left_out() {
        let set = tiny();
        let chosen =
            |only: &[u16], exclude: &[u16]| ids(&set.filter_classes(only, exclude).unwrap());
        assert_eq!(chosen(&[], &[]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(chosen(&[0, 1], &[]), [1, 2, 4]);
        assert_eq!(chosen(&[], &[2]), [1, 2, 4]);
        assert_eq!(chosen(&[2, 1], &[1]), [0, 3, 5]);
    }

    #[test]
    fn a_selection_without_images_is_an_error() {
        let set = tiny();
        let error = |only: &[u16], exclude: &[u16]| {
            set.filter_classes(only, exclude).unwrap_err().to_string()
        };
        assert!(error(&[3], &[]).contains("leave no image"));
        assert!(error(&[1], &[1]).contains("leave no image"));
        assert!(error(&[], &[0, 1, 2]).contains("leave no image"));
        assert!(error(&[4], &[]).contains("no class 4"));
        assert!(error(&[], &[9]).contains("no class 9"));
    }

    #[test]
    fn classes_are_found_by_name_and_by_number() {
        let mut set = tiny();
        set.class_names[0] = "2".into();
        let found = |classes: &[&str]| {
            let classes: Vec<String> = classes.iter().map(|class| class.to_string()).collect();
            set.class_numbers(&classes)
        };
        assert_eq!(found(&["c", "1", "2", "3", "b"]).unwrap(), [2, 1, 0, 3, 1]);
        for unknown in ["4", "e", "", "-1", "B"] {
            let error = found(&["c", unknown]).unwrap_err().to_string();
            assert!(error.contains(&format!("no class `{unknown}`")), "{error}");
            assert!(error.contains("2, b, c, d"), "{error}");
        }
    }

    #[test]
    fn subsets_keep_order_and_labels() {
        let set = tiny();
        assert_eq!(ids(&set.subset(&[5, 0, 5])), [5, 0, 5]);
        assert_eq!(ids(&set.first_per_class(1)), [0, 1, 2]);
        assert_eq!(ids(&set.first_per_class(2)), [0, 1, 2, 3, 4]);
        assert!(set.first_per_class(0).is_empty());
    }
}

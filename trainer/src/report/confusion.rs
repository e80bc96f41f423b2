//! Which class is taken for which.

/// How often images of one class have their nearest other image in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// By class, then by that of the nearest image.
    counts: Vec<usize>,
}

impl Confusion {
    /// Of images with `labels`, each taken for the class of its nearest other
    /// image; one that has none is left out.
    ///
    /// # Panics
    /// When a label is not below `classes`, or a nearest image has no label.
    pub fn new(labels: &[u16], nearest: &[Option<u32>], classes: usize) -> Confusion {
        let mut counts = vec![0; classes * classes];
        for (&label, &nearest) in labels.iter().zip(nearest) {
            let Some(nearest) = nearest else { continue };
            let taken_for = usize::from(labels[nearest as usize]);
            counts[usize::from(label) * classes + taken_for] += 1;
        }
        Confusion { classes, counts }
    }

    /// Images of `class` whose nearest one is of class `taken_for`.
    pub fn count(&self, class: u16, taken_for: u16) -> usize {
        self.counts[usize::from(class) * self.classes + usize::from(taken_for)]
    }

    /// Images of `class`.
    pub fn images(&self, class: u16) -> usize {
        self.row(usize::from(class)).iter().sum()
    }

    /// The classes that have images, ascending.
    pub fn present(&self) -> Vec<u16> {
        let present = |&class: &u16| self.images(class) > 0;
        (0..self.classes as u16).filter(present).collect()
    }

    /// Images that are taken for their own class, and all images.
    pub fn right(&self) -> (usize, usize) {
        let right = (0..self.classes as u16).map(|class| self.count(class, class)).sum();
        (right, self.counts.iter().sum())
    }

    /// The mistakes that were made, the most frequent first and equally
    /// frequent ones by class: class, what it was taken for, how often.
    pub fn mistakes(&self) -> Vec<(u16, u16, usize)> {
        let classes = self.classes as u16;
        let mut mistakes: Vec<(u16, u16, usize)> = (0..classes)
            .flat_map(|class| (0..classes).map(move |taken_for| (class, taken_for)))
            .filter(|(class, taken_for)| class != taken_for)
            .map(|(class, taken_for)| (class, taken_for, self.count(class, taken_for)))
            .filter(|&(_, _, count)| count > 0)
            .collect();
        mistakes.sort_by_key(|&(_, _, count)| std::cmp::Reverse(count));
        mistakes
    }

    fn row(&self, class: usize) -> &[usize] {
        &self.counts[class * self.classes..(class + 1) * self.classes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_image_counts_where_its_nearest_one_belongs() {
        let labels = [0, 0, 2, 2, 2, 0];
        let nearest = [Some(1), Some(2), Some(3), Some(0), Some(5), None];
        let confusion = Confusion::new(&labels, &nearest, 4);
        for (class, row) in [[1, 0, 1, 0], [0; 4], [2, 0, 1, 0], [0; 4]].into_iter().enumerate() {
            let counts: Vec<usize> =
                (0..4).map(|other| confusion.count(class as u16, other)).collect();
            assert_eq!(counts, row);
        }
        assert_eq!((confusion.images(2), confusion.right()), (3, (2, 5)));
        assert_eq!(confusion.present(), [0, 2]);
        assert_eq!(confusion.mistakes(), [(2, 0, 2), (0, 2, 1)]);
    }
}

use std::fs;
use std::path::{Path, PathBuf};

use image::{GrayImage, Luma, Rgb, RgbImage};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A directory with pictures of one grey value each, 20x20.
struct Photos(TempDir);

impl Photos {
    fn new() -> Photos {
        Photos(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn grey(&self, name: &str, value: u8) {
        self.sized(name, value, 20, 20);
    }

    fn sized(&self, name: &str, value: u8, width: u32, height: u32) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        GrayImage::from_pixel(width, height, Luma([value])).save(self.path(name)).unwrap();
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    fn open(&self) -> Folder {
        Folder::open(self.0.path()).unwrap()
    }

    fn load(&self, split: Split, options: &FolderOptions<'_>) -> Result<Dataset, FolderError> {
        self.open().load(split, options).map(|(dataset, _)| dataset)
    }

    /// The grey value of each image of a split, with its class's name.
    fn values(&self, split: Split, options: &FolderOptions<'_>) -> Vec<(String, u8)> {
        let set = self.load(split, options).unwrap();
        let value = |i| (set.class_names[usize::from(set.labels[i])].clone(), set.image(i)[0]);
        (0..set.len()).map(value).collect()
    }

    fn error(&self, split: Split, options: &FolderOptions<'_>) -> String {
        match Folder::open(self.0.path()).and_then(|folder| folder.load(split, options)) {
            Ok(_) => panic!("no error"),
            Err(error) => error.to_string(),
        }
    }
}

fn fraction(fraction: f64) -> FolderOptions<'static> {
    FolderOptions { test_fraction: TestFraction::new(fraction), ..FolderOptions::default() }
}

fn default() -> FolderOptions<'static> {
    FolderOptions::default()
}

#[test]
fn folders_are_classes_sorted_by_name() {
    let photos = Photos::new();
    photos.grey("mug/b.png", 4);
    photos.grey("cup/z.png", 2);
    photos.grey("mug/a.bmp", 3);
    photos.grey("cup/A.png", 1);
    photos.file("README.txt", b"not used");
    photos.file("cup/.DS_Store", b"not used");
    photos.file("cup/Thumbs.db", b"not used");
    let found = photos.values(Split::Train, &fraction(0.0));
    let expected = [("cup", 1), ("cup", 2), ("mug", 3), ("mug", 4)];
    assert_eq!(found, expected.map(|(class, value)| (class.to_owned(), value)));
}

#[test]
fn classes_named_by_numbers_are_sorted_by_them() {
    let photos = Photos::new();
    for number in [10, 9, 2, 0] {
        photos.grey(&format!("{number}/a.png"), number);
    }
    let set = photos.load(Split::Train, &fraction(0.0)).unwrap();
    assert_eq!(set.class_names, ["0", "2", "9", "10"]);
    photos.grey("02/a.png", 0);
    let set = photos.load(Split::Train, &fraction(0.0)).unwrap();
    assert_eq!(set.class_names, ["0", "02", "10", "2", "9"]);
}

#[test]
fn folders_divide_where_they_are_there() {
    let photos = Photos::new();
    photos.grey("train/cup/a.png", 1);
    photos.grey("train/mug/a.png", 2);
    photos.grey("test/mug/a.png", 3);
    photos.grey("validation/mug/a.png", 4);
    assert_eq!(photos.values(Split::Train, &default()), [("cup".into(), 1), ("mug".into(), 2)]);
    assert_eq!(photos.values(Split::Test, &default()), [("mug".into(), 3)]);
    assert_eq!(photos.load(Split::Test, &default()).unwrap().class_names, ["cup", "mug"]);
    let error = photos.error(Split::Test, &fraction(0.3));
    assert!(error.contains("--test-fraction does not go with"), "{error}");

    photos.grey("test/glass/a.png", 5);
    let error = photos.error(Split::Test, &default());
    assert!(error.contains("glass: the folder of a class that the training pictures"), "{error}");
    fs::remove_dir_all(photos.path("train")).unwrap();
    assert_eq!(photos.load(Split::Test, &default()).unwrap().class_names, ["glass", "mug"]);
    let error = photos.error(Split::Train, &default());
    assert!(error.contains("no folder `train`"), "{error}");
}

#[test]
fn train_can_be_a_class() {
    let photos = Photos::new();
    photos.grey("train/a.png", 1);
    photos.grey("bus/a.png", 2);
    let set = photos.load(Split::Train, &default()).unwrap();
    assert_eq!(set.class_names, ["bus", "train"]);
}

#[test]
fn a_models_classes_keep_their_numbers() {
    let photos = Photos::new();
    photos.grey("test/mug/a.png", 1);
    photos.grey("test/bowl/a.png", 2);
    let class_names = ["cup", "mug", "bowl"].map(String::from);
    let options = FolderOptions { class_names: &class_names[..2], ..default() };
    let set = photos.load(Split::Test, &options).unwrap();
    assert_eq!(set.class_names, ["cup", "mug", "bowl"]);
    assert_eq!(set.labels, [2, 1]);
}

#[test]
fn a_fraction_of_each_class_is_for_testing() {
    let photos = Photos::new();
    for i in 0..10 {
        photos.grey(&format!("cup/{i}.png"), i);
        photos.grey(&format!("mug/IMG_{:04}.png", 20 + i), 20 + i);
    }
    photos.grey("one/a.png", 40);
    for (fraction_of, per_class) in [(0.2, 2), (0.25, 3), (0.001, 1), (0.999, 9)] {
        let options = fraction(fraction_of);
        let [train, test] = [Split::Train, Split::Test].map(|split| photos.values(split, &options));
        let of = |class: &str| test.iter().filter(|(name, _)| name == class).count();
        assert_eq!([of("cup"), of("mug"), of("one")], [per_class, per_class, 0]);
        let mut all: Vec<u8> = train.iter().chain(&test).map(|(_, value)| *value).collect();
        all.sort_unstable();
        assert_eq!(all, (0..10).chain(20..30).chain([40]).collect::<Vec<u8>>());
        assert!(train.is_sorted() && test.is_sorted());
    }
    assert_eq!(photos.values(Split::Test, &default()), photos.values(Split::Test, &fraction(0.2)),);
    let error = photos.error(Split::Test, &fraction(0.0));
    assert!(error.contains("no picture for the split `test`"), "{error}");
}

/// Which files are for testing is part of what makes a run reproducible.
#[test]
fn the_division_is_pinned() {
    let photos = Photos::new();
    for i in 0..10 {
        photos.grey(&format!("cup/{i}.png"), i);
    }
    let test = photos.values(Split::Test, &fraction(0.3));
    let test: Vec<u8> = test.into_iter().map(|(_, value)| value).collect();
    assert_eq!(test, [1, 4, 8]);
}

#[test]
fn most_files_stay_on_their_side_when_others_are_added() {
    let photos = Photos::new();
    for i in 0..40 {
        photos.grey(&format!("cup/{i}.png"), i);
    }
    let before = photos.values(Split::Test, &fraction(0.25));
    for i in 40..44 {
        photos.grey(&format!("cup/{i}.png"), i);
    }
    let after = photos.values(Split::Test, &fraction(0.25));
    let stayed = before.iter().filter(|image| after.contains(image)).count();
    assert_eq!((before.len(), after.len()), (10, 11));
    assert!(stayed >= 9, "{before:?} {after:?}");
}

#[test]
fn the_shape_is_the_pictures_own_or_32x32() {
    let shape = |height, width, channels| Shape { height, width, channels };
    let photos = Photos::new();
    photos.sized("cup/a.png", 0, 28, 24);
    photos.sized("mug/a.png", 0, 28, 24);
    photos.file("mug/b.png", b"no picture");
    assert_eq!(photos.open().shape(), shape(24, 28, 1));
    photos.sized("mug/c.png", 0, 24, 28);
    assert_eq!(photos.open().shape(), shape(32, 32, 1));
    RgbImage::from_pixel(50, 30, Rgb([1, 2, 3])).save(photos.path("cup/b.jpg")).unwrap();
    assert_eq!(photos.open().shape(), shape(32, 32, 3));
    let options = FolderOptions { skip_unreadable: true, ..default() };
    assert_eq!(photos.load(Split::Train, &options).unwrap().shape, shape(32, 32, 3));
    let input = shape(18, 40, 1);
    let options = FolderOptions { input: Some(input), ..options };
    let set = photos.load(Split::Train, &options).unwrap();
    assert_eq!((set.shape, set.pixels.len()), (input, set.len() * 18 * 40));

    for (width, height) in [(64, 65), (17, 20), (200, 200)] {
        let photos = Photos::new();
        photos.sized("cup/a.png", 0, width, height);
        assert_eq!(photos.open().shape(), shape(32, 32, 1));
    }
}

#[test]
fn unreadable_files_are_listed_and_skipped_only_if_asked() {
    let photos = Photos::new();
    photos.grey("cup/a.png", 1);
    photos.file("cup/b.png", b"no picture");
    photos.grey("cup/c.png", 2);
    photos.file("mug/notes.txt", b"text");
    photos.grey("mug/x.png", 3);
    fs::write(photos.path("mug/y.png"), &fs::read(photos.path("mug/x.png")).unwrap()[..40])
        .unwrap();
    let error = photos.error(Split::Train, &fraction(0.0));
    assert!(error.contains("3 of 6 files cannot be used:\n"), "{error}");
    for wanted in ["cup/b.png: not a PNG", "mug/notes.txt: not a PNG", "mug/y.png: cannot decode"] {
        assert!(error.contains(wanted), "{error}");
    }
    assert!(error.ends_with("--skip-unreadable"), "{error}");

    let options = FolderOptions { skip_unreadable: true, ..fraction(0.0) };
    let (set, skipped) = photos.open().load(Split::Train, &options).unwrap();
    assert_eq!((skipped.len(), set.labels.as_slice()), (3, [0, 0, 1].as_slice()));
    let values: Vec<u8> = (0..3).map(|i| set.image(i)[399]).collect();
    assert_eq!((values, set.pixels.len()), (vec![1, 2, 3], 3 * 400));

    let photos = Photos::new();
    photos.file("cup/a.png", b"no picture");
    let error = photos.error(Split::Train, &FolderOptions { skip_unreadable: true, ..default() });
    assert!(error.contains("none of its 1 files can be used"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_an_unreadable_file() {
    let photos = Photos::new();
    photos.grey("cup/a.png", 1);
    std::os::unix::fs::symlink("missing", photos.path("cup/b.png")).unwrap();
    let error = photos.error(Split::Train, &fraction(0.0));
    assert!(error.contains("cup/b.png: cannot read the file"), "{error}");
}

#[test]
fn what_is_no_class_is_an_error() {
    let error_after = |spoil: fn(&Photos)| {
        let photos = Photos::new();
        photos.grey("mug/a.png", 1);
        spoil(&photos);
        photos.error(Split::Train, &default())
    };
    let error = error_after(|photos| photos.grey("cup/inner/a.png", 1));
    assert!(error.contains("inner: a folder inside the folder of a class"), "{error}");
    let error = error_after(|photos| fs::create_dir(photos.path("cup")).unwrap());
    assert!(error.contains("cup: the folder of a class, but there is no"), "{error}");
    let error = error_after(|photos| photos.grey("two\nlines/a.png", 1));
    assert!(error.contains("name cannot be a class's"), "{error}");
    let error = Folder::open(Path::new("no/such")).unwrap_err().to_string();
    assert!(error.starts_with("no/such: cannot list"), "{error}");
}

#[test]
fn images_do_not_depend_on_the_number_of_threads() {
    let photos = Photos::new();
    for i in 0..40u8 {
        let noise =
            RgbImage::from_fn(50, 37, |x, y| Rgb([(x as u8).wrapping_mul(i), y as u8 ^ i, i]));
        fs::create_dir_all(photos.path("cup")).unwrap();
        noise.save(photos.path(&format!("cup/{i}.png"))).unwrap();
    }
    let [one, three] = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| photos.load(Split::Train, &default()).unwrap().pixels)
    });
    assert!(one == three && one.iter().any(|&value| value != one[0]));
}

proptest! {
    #[test]
    fn both_splits_are_never_empty(count in 2usize..1000, fraction in 0.000_001f64..1.0) {
        let test = TestFraction(fraction).of(count);
        prop_assert!(test >= 1 && test < count);
        prop_assert!((test as f64 - fraction * count as f64).abs() <= 1.0);
    }
}

#[test]
fn fractions_are_parsed() {
    for text in ["0", "0.2", ".5", "0.999"] {
        text.parse::<TestFraction>().unwrap();
    }
    for text in ["1", "-0.1", "NaN", "inf", "half", ""] {
        text.parse::<TestFraction>().unwrap_err();
    }
}

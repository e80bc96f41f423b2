use super::*;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use tempfile::TempDir;

/// A disk with room for so many bytes, and possibly no working sync.
struct Full {
    room: AtomicUsize,
    sync_fails: bool,
}

impl Full {
    fn new(room: usize, sync_fails: bool) -> Full {
        Full { room: room.into(), sync_fails }
    }
}

impl Disk for Full {
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room.load(Relaxed);
        if room == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        let written = file.write(&bytes[..bytes.len().min(room)])?;
        self.room.fetch_sub(written, Relaxed);
        Ok(written)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.sync_fails { Err(io::Error::other("sync")) } else { file.sync_all() }
    }
}

fn replace(
    path: &Path,
    disk: &Full,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    stage(path, disk, Box::new(write))?.commit(disk)
}

fn names(directory: &TempDir) -> Vec<OsString> {
    fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn a_fault_at_any_byte_changes_nothing() {
    let content: Vec<u8> = (0..200).collect();
    for exists in [true, false] {
        for room in 0..=content.len() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("x.model");
            if exists {
                fs::write(&path, "old").unwrap();
            }
            // In small pieces with flushes, so that the fault hits `write` as well.
            let result = replace(&path, &Full::new(room, false), |writer| {
                content.chunks(7).try_for_each(|piece| {
                    writer.write_all(piece)?;
                    if piece[0] % 2 == 0 { writer.flush() } else { Ok(()) }
                })
            });
            if room == content.len() {
                result.unwrap();
                assert_eq!(fs::read(&path).unwrap(), content);
                assert_eq!(names(&directory), ["x.model"]);
            } else {
                assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
                assert_eq!(fs::read(&path).ok(), exists.then(|| b"old".to_vec()));
                assert_eq!(names(&directory).len(), usize::from(exists));
            }
        }
    }
}

#[test]
fn a_failed_sync_or_writer_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    fs::write(&path, "old").unwrap();
    let disk = Full::new(100, true);
    assert!(replace(&path, &disk, |writer| writer.write_all(b"new")).is_err());
    let result = write_atomically(&path, |writer| {
        writer.write_all(b"new")?;
        Err(ErrorKind::StorageFull.into())
    });
    let message = result.unwrap_err().to_string();
    assert!(message.starts_with(path.to_str().unwrap()), "{message}");
    assert!(message.contains("free some space"), "{message}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(&directory), ["x"]);
}

#[test]
fn a_panic_in_the_writer_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    fs::write(&path, "old").unwrap();
    let result = std::panic::catch_unwind(|| {
        write_atomically(&path, |writer| {
            writer.write_all(b"new")?;
            panic!("while writing")
        })
    });
    assert!(result.is_err());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(&directory), ["x"]);
}

#[test]
fn impossible_targets_are_explained() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "old").unwrap();
    let cases = [
        (directory.path().to_path_buf(), "give the path of a file"),
        (directory.path().join("missing/x"), "create its directory first"),
        (file.join("x"), "give the path of a file"),
        (PathBuf::from(""), "give the path of a file"),
    ];
    for (path, wanted) in cases {
        let error = write_atomically(&path, |_| unreachable!()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    assert_eq!(names(&directory), ["file"]);
}

#[test]
fn a_protected_file_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    fs::write(&path, "old").unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let error = write_atomically(&path, |_| unreachable!()).unwrap_err().to_string();
    assert!(error.contains("write-protected; choose another place"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[cfg(unix)]
#[test]
fn permissions_and_links_are_kept() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let directory = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let [plain, ours, link] = ["plain", "ours", "link"].map(|name| directory.path().join(name));

    File::create(&plain).unwrap();
    write_atomically(&ours, |writer| writer.write_all(b"1")).unwrap();
    assert_eq!(mode(&ours), mode(&plain));

    fs::set_permissions(&ours, Permissions::from_mode(0o646)).unwrap();
    symlink(&ours, &link).unwrap();
    write_atomically(&link, |writer| writer.write_all(b"2")).unwrap();
    assert_eq!(fs::read(&ours).unwrap(), b"2");
    assert_eq!(mode(&ours), 0o646);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

/// Every operation, each with the errors that disks give.
#[test]
fn a_fault_in_any_operation_is_named_and_changes_nothing() {
    for kind in [ErrorKind::StorageFull, ErrorKind::ReadOnlyFilesystem, ErrorKind::Other] {
        let mut faults = 0;
        for working in 0.. {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("x.model");
            fs::write(&path, "old").unwrap();
            let write = || {
                write_atomically(&path, |writer| {
                    writer.write_all(&[1; 20_000])?;
                    writer.flush()?;
                    writer.write_all(&[2; 5])
                })
            };
            let (result, failed) = faults::with(working, true, kind, write);
            assert_eq!(names(&directory), ["x.model"]);
            if !failed {
                result.unwrap();
                assert_eq!(fs::read(&path).unwrap().len(), 20_005);
                break;
            }
            faults += 1;
            let message = result.unwrap_err().to_string();
            assert!(message.starts_with(path.to_str().unwrap()), "{message}");
            assert_eq!(fs::read(&path).unwrap(), b"old", "{message}");
        }
        // Creating, two writes and a flush, syncing, renaming.
        assert_eq!(faults, 6);
    }
}

#[test]
fn what_a_killed_writer_left_is_removed_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.model");
    let others = [
        ".a.model.lock",
        ".a.model.tmp",
        ".a.model.abcde.tmp",
        ".a.model.ab-def.tmp",
        ".a.model.abcdef.tmp2",
        ".a.abcdef.tmp",
        ".b.a.model.abcdef.tmp",
        ".a.model.checkpoint.abcdef.tmp",
        "a.model.abcdef.tmp",
    ];
    let left = [".a.model.abcdef.tmp", ".a.model.XYZ012.tmp"];
    for name in others.iter().chain(&left) {
        fs::write(directory.path().join(name), "x").unwrap();
    }
    fs::create_dir(directory.path().join(".a.model.folder.tmp")).unwrap();
    // One whose writer is alive.
    let alive = File::create(directory.path().join(".a.model.alive0.tmp")).unwrap();
    alive.lock().unwrap();
    write_atomically(&path, |writer| writer.write_all(b"new")).unwrap();
    let mut expected: Vec<OsString> = others.iter().map(|&name| name.into()).collect();
    expected.extend(["a.model", ".a.model.folder.tmp", ".a.model.alive0.tmp"].map(Into::into));
    expected.sort();
    let mut found = names(&directory);
    found.sort();
    assert_eq!(found, expected);
}

/// Writers of one file do not take each other's temporary files for abandoned.
#[test]
fn writers_of_one_file_at_a_time_all_succeed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for byte in 0..4 {
            let (path, ended) = (&path, &ended);
            scope.spawn(move || {
                for _ in 0..100 {
                    write_atomically(path, |writer| writer.write_all(&[byte; 1000])).unwrap();
                }
                ended.store(true, Relaxed);
            });
        }
        while !ended.load(Relaxed) {
            if let Ok(content) = fs::read(&path) {
                assert_eq!(content.len(), 1000);
                assert!(content.iter().all(|byte| *byte == content[0]));
            }
        }
    });
    assert_eq!(names(&directory), ["x"]);
}

#[test]
fn files_that_belong_together_are_replaced_together() {
    for working in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| directory.path().join(name));
        paths.iter().for_each(|path| fs::write(path, "old").unwrap());
        let write = || {
            write_together([
                (&paths[0], Box::new(|writer| writer.write_all(b"new"))),
                (&paths[1], Box::new(|writer| writer.write_all(b"new"))),
            ])
        };
        let (result, failed) = faults::with(working, true, ErrorKind::StorageFull, write);
        let [a, b] = paths.each_ref().map(|path| fs::read(path).unwrap());
        assert_eq!(names(&directory).len(), 2);
        if !failed {
            assert!(result.is_ok() && a == b"new" && b == b"new");
            break;
        }
        // Twice creating, writing and syncing, then two renames.
        let wanted = if (3..=5).contains(&working) || working == 7 { &paths[1] } else { &paths[0] };
        assert_eq!(result.unwrap_err().path, *wanted, "{working}");
        assert_eq!(b, b"old");
        assert_eq!(a == b"new", working == 7, "{working}");
    }
}

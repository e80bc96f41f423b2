//! One run at a time on an output.

use lookalike_trainer::files::OutputLock;

use super::common::{Bench, text};
use super::run::{Run, names, was_killed};

#[test]
fn an_output_that_another_process_has_is_refused() {
    let bench = Bench::new();
    bench.train("a.model", "");
    for directory in ["work", "docs", "demo"] {
        std::fs::create_dir(bench.path(directory)).unwrap();
    }
    let train = "train --loss triplet --data data --widths 4,4,8 --epochs 1 --seed 3";
    for (run, output) in [
        (format!("{train} --out a.model"), "a.model"),
        (format!("{train} --out new.model --restart"), "new.model"),
        ("serve a.model --data data --port 0 --save mine".into(), "mine"),
        (
            "results --quick --data fashion=data --data mnist=data --out docs/r.md --work work"
                .into(),
            "work",
        ),
        ("demo --out demo".into(), "demo"),
    ] {
        let claim = OutputLock::claim(&bench.path(output)).unwrap();
        let before = bench.snapshot();
        let refused = bench.trainer(&run).output().unwrap();
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{run}: {said}");
        assert!(said.contains(&format!("{output}: another run writes here")), "{run}: {said}");
        assert!(refused.stdout.is_empty(), "{run}");
        let mut after = bench.snapshot();
        after.retain(|path, _| !path.ends_with("docs/images"));
        assert_eq!(after, before, "{run}");
        drop(claim);
    }
    // Others are free.
    let _claim = OutputLock::claim(&bench.path("a.model")).unwrap();
    bench.ok(&format!("{train} --out b.model"));
}

#[test]
fn a_lock_goes_with_its_process_even_if_that_is_killed() {
    let bench = Bench::new();
    let run = "train --loss triplet --data data --widths 4,4,8 --batch-size 6 --out a.model";
    let mut first = Run::start(&bench, &format!("{run} --epochs 100000"));
    first.until(|| bench.path("a.model.checkpoint").exists());
    for more in ["--resume", "--restart", ""] {
        let second = bench.trainer(&format!("{run} --epochs 3 {more}")).output().unwrap();
        let said = text(&second.stderr);
        assert_eq!(second.status.code(), Some(1), "{said}");
        assert!(said.contains("a.model: another run writes here"), "{said}");
    }
    first.kill();
    assert!(was_killed(first.wait().status));
    bench.ok(&format!("{run} --epochs 3 --restart"));
    assert_eq!(names(&bench.path("")), ["a.model", "a.model.history.json", "a.model.toml", "data"]);
}
